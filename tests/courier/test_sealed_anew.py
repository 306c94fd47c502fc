"""After a new master key, webhooks are signed with the same secrets, and the old key can go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.courier.store.sealed import SEALED
from shared.config import MasterKey, fresh_key
from shared.db import EVERY_ORG
from shared.sealing import Sealer
from tests.courier.house import House, house_of
from tests.world import Databases


@pytest.fixture
async def house(databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(databases, tmp_path) as house:
        yield house


async def test_both_secrets_of_a_webhook_are_sealed_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = await house.webhook()
    rotated = (await house.ask("POST", f"/v1/webhooks/{hook['id']}/secret-rotations")).ok()
    env = house.world.started["courier"].env
    new = MasterKey(id="newer", key=fresh_key())
    secrets = env.settings.secrets.model_copy(update={"master": [new, *env.settings.secrets.master]})
    monkeypatch.setattr(env, "settings", env.settings.model_copy(update={"secrets": secrets}))
    (job,) = [job for job in env.service.jobs if job.use_case.__name__ == "seal_anew"]
    await house.world.run("courier", job.use_case)
    opened = {}
    async with env.database.read(EVERY_ORG) as read:
        for one in SEALED:
            row = await read.row(f"select *, {one.column} as sealed from {one.table} where webhook_id = $1", hook["id"])
            assert row is not None
            opened[one.column] = Sealer([new]).open(bytes(row["sealed"]), *one.place(row))
    assert opened == {"secret": rotated["secret"], "previous_secret": hook["secret"]}
