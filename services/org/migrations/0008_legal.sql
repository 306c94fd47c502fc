-- The legal record: what was accepted or decided, of which text, by whom. Rows are added and never changed.

alter table legal_acceptances
    drop constraint legal_acceptances_document_check,
    add constraint legal_acceptances_document_check check (document in ('terms', 'privacy', 'dpa')),
    add column decision text not null default 'accepted' check (decision in ('accepted', 'not_applicable')),
    add column sha256 text not null default '',
    add column organization text not null default '',
    add column signatory_name text,
    add column signatory_title text,
    add column reason text,
    add constraint legal_acceptances_signed check (document <> 'dpa' or decision <> 'accepted' or signatory_name is not null),
    add constraint legal_acceptances_reasoned check (decision <> 'not_applicable' or (document = 'dpa' and reason is not null));
create index legal_acceptances_by_document on legal_acceptances (org_id, document, acceptance_id);

create function keep_the_record() returns trigger language plpgsql as $$
begin
    raise exception 'the legal record is only ever added to';
end $$;
create trigger only_added_to before update or delete on legal_acceptances for each row execute function keep_the_record();
