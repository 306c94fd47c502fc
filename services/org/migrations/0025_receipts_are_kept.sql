-- A receipt that was given out is part of the legal record: nobody changes it or takes it away.
create trigger only_added_to before update or delete on legal_receipts for each row execute function keep_the_record();
