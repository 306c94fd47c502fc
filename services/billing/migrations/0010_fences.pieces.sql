select fence(one) from fences_of_old() as one limit 1;
