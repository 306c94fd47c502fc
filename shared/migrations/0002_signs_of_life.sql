-- When a probe of each source last came through this service's queue, whichever replica received it; and nothing is parked twice.

create table inbox_probes (source text primary key, heard_at timestamptz not null);

create unique index inbox_parked_once on inbox_parked (sha256(body), reason);
