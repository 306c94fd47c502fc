-- Why a receiver gave no answer, as a code beside the words.
alter table webhook_attempts add column error_code text;
