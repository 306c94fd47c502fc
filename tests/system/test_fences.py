"""Row-level security by organization, as each service's migrations leave it."""

from __future__ import annotations

import asyncpg
import pytest

from services.launcher import PRODUCT
from tests.world import Databases

SCOPE = "( SELECT current_setting('tenantry.org_id'::text, true) AS current_setting)"


@pytest.mark.parametrize("name", PRODUCT.storing)
async def test_every_fence_asks_once_for_a_statement_which_organization_it_is(databases: Databases, name: str) -> None:
    async with databases.lent([PRODUCT.service(name)]) as lent:
        connection = await asyncpg.connect(lent[name])
        try:
            fences = await connection.fetch("select tablename, qual from pg_policies where schemaname = 'public'")
            unfenced = await connection.fetch(
                "select relname from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace"
                " and not exists (select from pg_policies where tablename = relname and policyname = 'one_org')"
            )
        finally:
            await connection.close()
    assert {fence["tablename"]: fence["qual"] for fence in fences} == {
        fence["tablename"]: f"((org_id = {SCOPE}) OR ({SCOPE} = '*'::text))" for fence in fences
    }
    assert fences
    assert unfenced == []
