#!/bin/sh
# Runs once, on an empty server: a database and a role for each service, which reaches no other.
set -eu
for service in $TENANTRY_DATABASES; do
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set name="$service" --set password="$TENANTRY_DATABASE_PASSWORD" <<'SQL'
create role :"name" login nosuperuser nobypassrls nocreatedb nocreaterole noreplication password :'password';
create database :"name" owner :"name" template template0 encoding 'UTF8' locale_provider libc lc_collate 'C' lc_ctype 'C';
revoke all on database :"name" from public;
SQL
done
