"""Timers: a job runs every so often on one replica at a time, as a use case of its own without a message."""

from __future__ import annotations

import asyncio

import structlog

from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.outbox import lock_key
from shared.service import Ctx, Environment, Job

log = structlog.get_logger()


async def run_job(env: Environment, job: Job) -> bool:
    """Runs a job once, unless another replica is at it. A job's `ctx.tx()` sees every organization until it names one."""
    name = f"job {env.service.name} {job.use_case.__name__}"
    ctx = Ctx(env, Actor("system", service=env.service.name), correlation_id=name)
    async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
        if not await tx.value("select pg_try_advisory_xact_lock($1)", lock_key(name)):
            return False
        await job.use_case(ctx)
    return True


async def keep_running(env: Environment, job: Job) -> None:
    """Runs a job for ever; a failure is logged and tried again at the next turn."""
    while True:
        try:
            await run_job(env, job)
        except Exception:
            log.exception("a job failed", service=env.service.name, job=job.use_case.__name__)
        await asyncio.sleep(job.every_seconds)
