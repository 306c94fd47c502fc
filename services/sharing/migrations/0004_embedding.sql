-- What was refused at a link, by link, reason and hour; and how often a link's password was guessed wrongly.

create table embed_refusals (
    org_id text not null,
    refusal_id text not null,
    link_id text not null,
    dashboard_id text not null,
    reason text not null,
    hour timestamptz not null,
    detail text not null,
    secret_id text,
    source_ip text,
    count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (org_id, refusal_id)
);
create unique index embed_refusals_by_hour on embed_refusals (org_id, link_id, reason, hour);
create index embed_refusals_old on embed_refusals (last_at);

create table link_guesses (
    org_id text not null,
    link_id text not null,
    source text not null,
    since timestamptz not null,
    guesses integer not null,
    primary key (org_id, link_id, source),
    foreign key (org_id, link_id) references links on delete cascade
);
create index link_guesses_old on link_guesses (since);

do $$
declare
    name text;
begin
    foreach name in array array['embed_refusals', 'link_guesses'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy one_org on %I using (org_id = current_setting(''tenantry.org_id'', true) or current_setting(''tenantry.org_id'', true) = ''*'')',
            name
        );
    end loop;
end $$;
