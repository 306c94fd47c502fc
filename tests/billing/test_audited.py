"""What an operator does to plans reaches the audit service, whole."""

from __future__ import annotations

from pathlib import Path

from services.audit.app import service as audit
from services.billing.app import service as billing
from shared.auth import Actor
from tests.billing.conftest import Stage, organization_created, without_jobs
from tests.billing.neighbours import Neighbours
from tests.billing.test_catalogue_versions import dearer_pro, edited, move, propose
from tests.world import Databases, an_admin, world_of


async def test_a_catalogue_is_kept_in_a_chain_of_its_own_and_a_move_in_the_organizations(
    databases: Databases, tmp_path: Path
) -> None:
    neighbours = Neighbours()
    async with world_of([without_jobs(billing), audit, *neighbours.services()], databases, tmp_path) as world:
        stage = Stage(world, neighbours, an_admin())
        await world.hear("org", organization_created(stage.ada, "Northwind"))
        (await propose(stage, edited(dearer_pro))).ok()
        await move(stage)
        await world.settle()
        reader = Actor("person", stage.ada.id, stage.ada.org(), "admin", stage.ada.session_id)
        listed = (await world.ask("audit", "GET", "/v1/audit-entries?action=billing.*", actor=reader)).ok()["data"]
        assert "billing.subscription.moved.v1" in {one["action"] for one in listed}
        assert "billing.catalogue.applied.v1" not in {one["action"] for one in listed}
        async with world.started["audit"].env.database.read("catalogue") as read:
            rows = await read.rows("select * from audit_entries where org_id = 'catalogue'")
        assert [row["action"] for row in rows] == ["billing.catalogue.applied.v1"]
