"""What is logged of a job that doesn't come to its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.db import DatabaseAway
from shared.errors import Problem
from shared.jobs import try_to_run
from shared.service import Ctx, Job
from tests.kernel.toy import notes
from tests.world import Databases, world_of


@pytest.mark.parametrize(
    ("failure", "level"),
    [
        (DatabaseAway("The database is away."), "warning"),
        (Problem("overloaded"), "warning"),
        (Problem("not_found"), "error"),
        (ValueError("x"), "error"),
    ],
)
async def test_a_job_that_waits_for_the_database_is_told_of_in_one_line_and_another_failure_with_its_place(
    databases: Databases, tmp_path: Path, failure: Exception, level: str
) -> None:
    async def fails(_: Ctx) -> None:
        raise failure

    async with world_of([notes], databases, tmp_path) as world:
        with capture_logs() as logs:
            await try_to_run(world.started["org"].env, Job(fails, 60))
    (told,) = [entry for entry in logs if entry.get("job") == "fails"]
    assert (told["log_level"], "exc_info" in told) == (level, level == "error")
