"""Mails under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from shared.db import Row, Tx
from shared.events.courier import MailLink, MailRequested

# A lease is measured by the database's own clock: it says how long a sender may be silent, not when a mail is due.
CLAIM = """
update mails set attempts = attempts + 1, leased_until = clock_timestamp() + $2::interval
where id = (
    select id from mails where state = 'waiting' and due_at <= $1 and (leased_until is null or leased_until < clock_timestamp())
    order by due_at limit 1 for update skip locked
) returning *
"""
LAST_MAIL = "account_closed"
# Mails that went to an address before anybody knew whose it is.
OF_NOBODY_YET = """
delete from mails where (reader is null or template in ('no_account', 'confirm_signup')) and state <> 'waiting'
    and lower(recipient) = any(select lower(one) from unnest($1::text[]) one)
"""


@dataclass(frozen=True)
class Mail:
    """A mail that this sender has leased; `attempts` tells its attempt from later ones."""

    id: str
    recipient: str
    template: str
    language: str
    content: dict[str, Any]
    link: MailLink | None
    picture: MailLink | None
    requested_at: datetime
    attempts: int
    org_id: str = ""
    unsubscribe: MailLink | None = None


async def add(tx: Tx, mail_id: str, event_id: str, asked: MailRequested, now: datetime, *, again: bool = False) -> bool:
    """In the reader's language, if it is known. False when this event has its mail already, or is heard again and its reader has closed the account."""
    return (
        await tx.run(
            "insert into mails (id, org_id, event_id, recipient, template, language, content, link, picture, requested_at, due_at, unsubscribe, reader)"
            " select $1, $2, $3, $4, $5, coalesce((select language from readers where user_id = $11), $6), $7, $8, $9, $10, $10, $12, $13"
            " where not ($14 and exists (select from erasures where subject = $13))"
            " on conflict (event_id) do nothing",
            mail_id,
            asked.org_id or "",
            event_id,
            asked.to,
            asked.template,
            asked.language,
            orjson.dumps(asked.values).decode(),
            asked.link.model_dump_json() if asked.link else None,
            asked.picture.model_dump_json() if asked.picture else None,
            now,
            asked.reader,
            asked.unsubscribe.model_dump_json() if asked.unsubscribe else None,
            asked.reader or (asked.about if asked.about.startswith("usr_") else None),
            again,
        )
        == 1
    )


async def lease_next(tx: Tx, now: datetime, lease: timedelta) -> Mail | None:
    """The mail that has been due longest and that nobody is sending; it is the caller's until the lease is over."""
    row = await tx.row(CLAIM, now, lease)
    return None if row is None else _mail(row)


def _mail(row: Row) -> Mail:
    return Mail(
        id=row["id"],
        recipient=row["recipient"],
        template=row["template"],
        language=row["language"],
        content=orjson.loads(row["content"]),
        link=MailLink.model_validate_json(row["link"]) if row["link"] else None,
        picture=MailLink.model_validate_json(row["picture"]) if row["picture"] else None,
        requested_at=row["requested_at"],
        attempts=row["attempts"],
        org_id=row["org_id"],
        unsubscribe=MailLink.model_validate_json(row["unsubscribe"]) if row["unsubscribe"] else None,
    )


async def mark_sent(tx: Tx, mail: Mail, now: datetime) -> None:
    """Holds even if the lease ran out meanwhile: what was sent was sent."""
    await tx.run(
        "update mails set state = 'sent', sent_at = $2, leased_until = null, error = null where id = $1", mail.id, now
    )
    gone = await tx.run(
        "delete from mails where id = $1 and exists (select from erasures where erasures.subject = mails.reader)",
        mail.id,
    )
    if gone and mail.template == LAST_MAIL:
        await tx.run(OF_NOBODY_YET, [mail.recipient])


async def came_back(tx: Tx, mail_id: str, error: str) -> Mail | None:
    """A mail that was sent and not delivered; None when it isn't one of ours, or is known to have come back."""
    row = await tx.row(
        "update mails set state = 'failed', error = $2 where id = $1 and state = 'sent' returning *", mail_id, error
    )
    return None if row is None else _mail(row)


async def mark_refused(tx: Tx, mail: Mail, due_at: datetime | None, error: str) -> None:
    """Due again at `due_at`, or failed for good; unless a later attempt has taken over."""
    await tx.run(
        "update mails set state = case when $3::timestamptz is null then 'failed' else 'waiting' end,"
        " due_at = coalesce($3, due_at), leased_until = null, error = $4"
        " where id = $1 and attempts = $2 and state = 'waiting'",
        mail.id,
        mail.attempts,
        due_at,
        error,
    )


async def forget_reader(tx: Tx, user_id: str) -> bool:
    """Deletes a person's mails, also those that went to their last address before anybody knew whose it is; False while one is still to be sent."""
    last = await tx.rows("select recipient from mails where reader = $1 and template = $2", user_id, LAST_MAIL)
    await tx.run(OF_NOBODY_YET, [row["recipient"] for row in last])
    await tx.run("delete from mails where reader = $1 and state <> 'waiting'", user_id)
    return not await tx.value("select exists (select from mails where reader = $1)", user_id)
