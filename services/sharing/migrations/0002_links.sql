-- Sharing links, and the switch that turns all of an organization's links off. A link's token isn't kept: it is derived from id and version.

alter table entitlements
    add column sharing_links boolean not null default false,
    add column sharing_links_event text not null default '',
    add column sharing_links_at timestamptz not null default 'epoch',
    add column interactive_embedding boolean not null default false;

-- Row-level security is forced, so what every organization's plan says is read as the one who sees all of them.
select set_config('tenantry.org_id', '*', true);
update entitlements set
    sharing_links = (whole ->> 'sharing_links')::boolean,
    interactive_embedding = (whole ->> 'interactive_embedding')::boolean,
    sharing_links_event = share_all_analysts_event,
    sharing_links_at = share_all_analysts_at;

create table links (
    org_id text not null,
    link_id text not null,
    dashboard_id text not null,
    report_id text,
    name text not null,
    name_key text collate "C" not null,
    description text not null,
    expires_at timestamptz,
    password_hash text,
    password_version integer not null default 0,
    networks text[] not null,
    origins text[] not null,
    requires_secret boolean not null,
    allow_parameters boolean not null,
    tv_mode boolean not null,
    dark_mode boolean not null,
    toolbar boolean not null,
    csv boolean not null,
    excel boolean not null,
    frozen_filters jsonb,
    paused boolean not null default false,
    token_version integer not null default 1,
    token_at timestamptz not null,
    switches_seen integer not null,
    opens bigint not null default 0,
    last_opened_at timestamptz,
    version integer not null default 1,
    created_by text not null,
    created_at timestamptz not null,
    updated_by text not null,
    updated_at timestamptz not null,
    primary key (org_id, link_id),
    foreign key (org_id, dashboard_id) references dashboards on delete cascade,
    check (requires_secret or not allow_parameters)
);
create unique index links_by_id on links (link_id);
create index links_of_dashboard on links (org_id, dashboard_id, link_id);

-- `switched_off` counts how often everything was turned off: a token that was made before the last time is dead for good.
create table link_switches (
    org_id text primary key,
    switched_off integer not null default 0,
    on_since timestamptz,
    on_by text,
    version integer not null default 1
);

do $$
declare
    name text;
begin
    foreach name in array array['links', 'link_switches'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy one_org on %I using (org_id = current_setting(''tenantry.org_id'', true) or current_setting(''tenantry.org_id'', true) = ''*'')',
            name
        );
    end loop;
end $$;
