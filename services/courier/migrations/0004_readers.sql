-- In which language a person is written to, and the picture that a mail shows. Like its link, the picture's address is made when the mail is written.

create table readers (
    user_id text primary key,
    language text not null
);
alter table mails add column picture json;
