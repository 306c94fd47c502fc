"""Timers: a job runs every so often on one replica at a time, as a use case of its own without a message."""

from __future__ import annotations

import asyncio
import time

import structlog

from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.outbox import lock_key
from shared.service import Ctx, Environment, Job
from shared.tracing import recording

log = structlog.get_logger()

LONG_SECONDS = 1.0  # a job that took so long is told of in the traces, whatever it did


async def run_job(env: Environment, job: Job) -> bool:
    """Runs a job once, unless another replica is at it. A job's `ctx.tx()` sees every organization until it names one."""
    name = f"job {env.service.name} {job.use_case.__name__}"
    ctx = Ctx(env, Actor("system", service=env.service.name), correlation_id=name)
    began = time.monotonic()
    with recording(env.tracer, name, "internal", quiet=True) as span:
        async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
            if not await tx.value("select pg_try_advisory_xact_lock($1)", lock_key(name)):
                return False
            await job.use_case(ctx)
        if span is not None and time.monotonic() - began > LONG_SECONDS:
            span.keep()
    return True


async def keep_running(env: Environment, job: Job, starting: asyncio.Semaphore) -> None:
    """Runs a job for ever; a failure is logged and tried again at the next turn. Its first run waits for a place among those that start."""
    async with starting:
        await try_to_run(env, job)
    while True:
        await asyncio.sleep(job.every_seconds)
        await try_to_run(env, job)


async def try_to_run(env: Environment, job: Job) -> None:
    """Runs a job once. What fails is logged: in one line when it was the database or somebody else who was away."""
    try:
        await run_job(env, job)
    except Exception as failed:
        facts = {"service": env.service.name, "job": job.use_case.__name__}
        if isinstance(failed, Problem) and failed.status == 503:
            log.warning("a job waits for its next turn", **facts, error=str(failed))
        else:
            log.exception("a job failed", **facts)
