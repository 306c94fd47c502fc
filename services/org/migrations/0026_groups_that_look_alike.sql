-- What looks alike is one name: without variation selectors, and with one space where there are several. Where an organization
-- has two such groups already, both keep what they have.
select set_config('tenantry.org_id', '*', true);
with seen as (
    select org_id, group_id, btrim(regexp_replace(regexp_replace(name_key,
        '[\u180B-\u180D\u180F\uFE00-\uFE0F\U000E0100-\U000E01EF]', '', 'g'), '\s+', ' ', 'g')) as name_key
    from groups
)
update groups set name_key = seen.name_key from seen
where seen.org_id = groups.org_id and seen.group_id = groups.group_id and seen.name_key <> groups.name_key and seen.name_key <> ''
    and (select count(*) from seen alike where alike.org_id = seen.org_id and alike.name_key = seen.name_key) = 1;
