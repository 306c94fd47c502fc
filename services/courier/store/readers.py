"""In which language people are written to."""

from __future__ import annotations

from shared.db import Tx


async def keep(tx: Tx, user_id: str, language: str) -> None:
    await tx.run(
        "insert into readers (user_id, language) values ($1, $2) on conflict (user_id) do update set language = excluded.language",
        user_id,
        language,
    )


async def forget(tx: Tx, user_id: str) -> None:
    await tx.run("delete from readers where user_id = $1", user_id)
