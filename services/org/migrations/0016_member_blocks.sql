-- Where a search by name or address has to look. Members stand in blocks of 32, and each block keeps which three letters in a row its names and
-- addresses have, each as one of 8,192 bits. A block without the letters that are looked for has nobody who matches; bits are only ever added.
-- (An index of the letters can't serve here: a condition that isn't leakproof is never tried before row-level security.)

create table member_blocks (
    org_id text not null,
    block integer not null,
    user_ids text[] not null,
    letters bit(8192) not null,
    primary key (org_id, block)
);
alter table member_blocks alter column letters set storage plain;
alter table member_blocks enable row level security;
alter table member_blocks force row level security;
create policy one_org on member_blocks using (org_id = current_setting('tenantry.org_id', true) or current_setting('tenantry.org_id', true) = '*');

-- Each three letters in a row, as the place of their bit.
create function letter_places(words text) returns setof integer language sql immutable strict as $$
    select (codes[place - 2] * 1217 + codes[place - 1] * 181 + codes[place] * 31) % 8192
    from (select array(select ascii(letter) from unnest(string_to_array(words, null)) with ordinality as split (letter, at) order by at) as codes) spelt,
        generate_series(3, cardinality(codes)) as place
$$;

create function letters_at(places integer[]) returns bit(8192) language plpgsql immutable as $$
declare
    letters bit(8192) := repeat('0', 8192)::bit(8192);
    place integer;
begin
    foreach place in array coalesce(places, '{}') loop
        letters := set_bit(letters, place, 1);
    end loop;
    return letters;
end $$;

create function letters_of(words text) returns bit(8192) language sql immutable as $$
    select letters_at(array(select letter_places(words)))
$$;

create function put_in_blocks() returns trigger language plpgsql as $$
begin
    with last as (
        select distinct on (org_id) org_id, block, cardinality(user_ids) as size from member_blocks
        where org_id in (select org_id from new_members) order by org_id, block desc
    ), coming as materialized (
        select org_id, user_id, name_key, email_key,
            (coalesce(block, 0) * 32 + coalesce(size, 0) + row_number() over (partition by org_id order by user_id) - 1) / 32 as block
        from new_members left join last using (org_id)
    ), met as (
        select org_id, block, letters_at(array_agg(distinct place)) as letters
        from coming left join lateral (select letter_places(name_key) union all select letter_places(email_key)) spelt (place) on true
        where place is not null group by org_id, block
    )
    insert into member_blocks as known
        select org_id, block, array_agg(user_id), coalesce(met.letters, letters_at(null))
        from coming left join met using (org_id, block) group by org_id, block, met.letters order by org_id, block
        on conflict (org_id, block) do update set user_ids = known.user_ids || excluded.user_ids, letters = known.letters | excluded.letters;
    return null;
end $$;
create trigger put_in_blocks after insert on members referencing new table as new_members
    for each statement execute function put_in_blocks();

create function add_letters() returns trigger language plpgsql as $$
begin
    update member_blocks set letters = letters | letters_of(new.name_key) | letters_of(new.email_key)
        where org_id = new.org_id and new.user_id = any(user_ids);
    return null;
end $$;
create trigger add_letters after update of name_key, email_key on members
    for each row when (old.name_key <> new.name_key or old.email_key <> new.email_key) execute function add_letters();

select set_config('tenantry.org_id', '*', true);
with placed as materialized (
    select org_id, user_id, name_key, email_key, (row_number() over (partition by org_id order by user_id) - 1) / 32 as block from members
), met as (
    select org_id, block, letters_at(array_agg(distinct place)) as letters
    from placed cross join lateral (select letter_places(name_key) union all select letter_places(email_key)) spelt (place) group by org_id, block
)
insert into member_blocks
    select org_id, block, array_agg(user_id), coalesce(met.letters, letters_at(null))
    from placed left join met using (org_id, block) group by org_id, block, met.letters;
