"""Embed secrets: an organization has one in force from its first moment on, and older ones for as long as it chose."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated

import structlog
from cryptography.exceptions import InvalidTag
from pydantic import Field

from services.sharing.rules import embed_secrets as rules
from services.sharing.rules import links
from services.sharing.rules.embed_secrets import LONGEST_OVERLAP, USUAL_OVERLAP, State
from services.sharing.store import secrets as store
from services.sharing.usecases.asking import Asker, asker
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.sharing import EmbedSecretExpired, EmbedSecretReset, EmbedSecretRevealed, EmbedSecretRevoked
from shared.fields import Message, Nothing, View
from shared.ids import SecretId, new_id
from shared.paging import Page
from shared.sealing import LostKey, Sealer
from shared.service import Ctx

log = structlog.get_logger()

SECRET_BYTES = 48
AT_ONCE = 500
NAMED = 5


class EmbedSecret(View):
    """A secret's facts; never the secret. `expires_at` is null for the one in force."""

    id: str
    state: State
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    uses: int
    last_used_at: datetime | None


class SecretUser(View):
    """A link that was opened with tokens of this secret. `recent`: within the last 24 hours, so revoking the secret would be felt there."""

    link_id: str
    link_name: str | None
    dashboard_id: str
    dashboard_title: str | None
    uses: int
    last_used_at: datetime
    recent: bool


class EmbedSecretInUse(EmbedSecret):
    """A secret and who uses it, the last one first."""

    used_by: tuple[SecretUser, ...]


class RevealedSecret(View):
    """The secret itself: text that signs embed tokens as it is."""

    id: str
    secret: str


class ResetEmbedSecret(Message):
    """How long the secret in force stays valid beside the new one: 24 hours unless chosen, up to 7 days, 0 for not at all."""

    overlap_seconds: Annotated[int, Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds()), strict=True)] = int(
        USUAL_OVERLAP.total_seconds()
    )


class WhichSecret(Message):
    secret_id: SecretId


async def list_embed_secrets(ctx: Ctx, _: Nothing) -> Page[EmbedSecret]:
    """The organization's embed secrets, the newest first: that is the one in force."""
    async with ctx.read() as read:
        kept = await store.secrets(read, ctx.actor.org())
    return Page(data=[_view(one, ctx.now) for one in kept])


async def read_embed_secret(ctx: Ctx, which: WhichSecret) -> EmbedSecretInUse:
    """One embed secret, and who would feel it if it were revoked."""
    async with ctx.read() as read:
        return await _in_use(ctx, read, ctx.actor.org(), which.secret_id)


async def reset_embed_secret(ctx: Ctx, wanted: ResetEmbedSecret) -> EmbedSecret:
    """Makes a new secret. The one in force stays valid for the overlap; still older ones keep their own moment."""
    async with ctx.tx() as tx:
        asking = await _admin(ctx, tx)
        await store.hold_ring(tx, asking.org_id)
        lives = [one.life for one in await store.secrets(tx, asking.org_id)]
        rules.check_room(lives, ctx.now)
        expires_at = ctx.now + timedelta(seconds=wanted.overlap_seconds)
        expiring = {
            one.secret_id: one.expires_at
            for one in lives
            if one.expires_at is not None and rules.is_alive(one, ctx.now)
        }
        if (before := rules.current(lives)) is not None:
            await store.supersede(tx, asking.org_id, before.secret_id, ctx.now, expires_at)
            expiring[before.secret_id] = expires_at
        secret_id = await create_secret(ctx, tx, asking.org_id, by=asking.person.user_id, expiring=expiring)
        return _view(await store.secret(tx, asking.org_id, secret_id), ctx.now)


async def revoke_embed_secret(ctx: Ctx, which: WhichSecret) -> EmbedSecretInUse:
    """Ends a secret at this moment; the answer names who used it in the last 24 hours. In place of the one in force there is a new one at once."""
    async with ctx.tx() as tx:
        asking = await _admin(ctx, tx)
        await store.hold_ring(tx, asking.org_id)
        life = (await store.secret(tx, asking.org_id, which.secret_id)).life
        if rules.is_alive(life, ctx.now):
            was_current = rules.state(life, ctx.now) == "current"
            await store.revoke(tx, asking.org_id, which.secret_id, ctx.now, asking.person.user_id)
            await tx.emit(EmbedSecretRevoked(org_id=asking.org_id, secret_id=which.secret_id, revoked_at=ctx.now))
            if was_current:
                lives = [one.life for one in await store.secrets(tx, asking.org_id)]
                expiring = {
                    one.secret_id: one.expires_at
                    for one in lives
                    if one.expires_at is not None and rules.is_alive(one, ctx.now)
                }
                await create_secret(ctx, tx, asking.org_id, by=asking.person.user_id, expiring=expiring)
        return await _in_use(ctx, tx, asking.org_id, which.secret_id)


async def reveal_embed_secret(ctx: Ctx, which: WhichSecret) -> RevealedSecret:
    """Shows a secret that is valid, to an Admin who has just proven themselves; it is in the log that they looked."""
    async with ctx.tx() as tx:
        asking = await _admin(ctx, tx)
        kept = await store.secret(tx, asking.org_id, which.secret_id)
        if not rules.is_alive(kept.life, ctx.now):
            raise Problem("gone", "This secret is no longer valid.", meta={"because": "secret"})
        secret = opened_secret(ctx, kept)
        await tx.emit(EmbedSecretRevealed(org_id=asking.org_id, secret_id=which.secret_id))
    return RevealedSecret(id=which.secret_id, secret=secret)


async def create_secret(
    ctx: Ctx,
    tx: Tx,
    org_id: str,
    *,
    by: str | None = None,
    expiring: dict[str, datetime] | None = None,
    first: bool = False,
) -> str:
    """Makes a new secret: text that embedders use as it is, sealed and bound to its row."""
    secret_id = new_id("sec", now=ctx.now.timestamp())
    sealed = _sealer(ctx).seal(secrets.token_urlsafe(SECRET_BYTES), *store.place_of(org_id, secret_id, 1))
    await store.add_secret(tx, org_id, secret_id, sealed, 1, ctx.now, by)
    told = EmbedSecretReset(
        org_id=org_id, secret_id=secret_id, created_at=ctx.now, expiring=expiring or {}, first=first
    )
    await tx.emit(told)
    return secret_id


def opened_secret(ctx: Ctx, kept: store.KeptSecret) -> str:
    """The secret; 503 when it can't be read here: nothing is ever accepted in its place."""
    try:
        return _sealer(ctx).open(kept.sealed, *kept.place)
    except (LostKey, InvalidTag):
        log.error("an embed secret can't be opened", org_id=kept.org_id, id=kept.life.secret_id)
        raise Problem(
            "unavailable", "This secret can't be read here at present.", retry_after=60, meta={"because": "secret"}
        ) from None


async def tell_expired_secrets(ctx: Ctx) -> None:
    """Says of each secret whose moment has come that it is over. (Tokens are judged by the clock, not by this.)"""
    async with ctx.tx() as tx:
        for org_id, secret_id in await store.ended(tx, ctx.now, AT_ONCE):
            await tx.emit(EmbedSecretExpired(org_id=org_id, secret_id=secret_id))


async def warn_of_expiring_secrets(ctx: Ctx) -> None:
    """A mail to the Admins before an old secret dies that somebody still signs with; once per secret."""
    async with ctx.tx() as tx:
        for kept in await store.ending_unwarned(tx, ctx.now):
            if not rules.is_worth_a_warning(kept.life, kept.last_used_at, ctx.now):
                continue
            for user_id, name, email in await store.admins(tx, kept.org_id):
                await tx.emit(await _warning(tx, kept, user_id, name, email))
            await store.mark_warned(tx, kept.org_id, kept.life.secret_id, ctx.now)


async def seal_secrets_anew(ctx: Ctx) -> None:
    """After a new master key: seals with it what others have sealed, so that they can be taken away. What doesn't open is passed over."""
    sealer = _sealer(ctx)
    done, after = 0, ("", "")
    async with ctx.tx() as tx:
        while done < AT_ONCE:
            found = await store.sealed_with_other_keys(tx, sealer.first, AT_ONCE, after)
            for one in found:
                done += await _seal_anew(tx, sealer, one)
            if len(found) < AT_ONCE:
                return
            after = (found[-1].org_id, found[-1].secret_id)


async def _seal_anew(tx: Tx, sealer: Sealer, one: store.SealedSecret) -> bool:
    try:
        plain = sealer.open(one.sealed, *store.place_of(one.org_id, one.secret_id, one.sealing))
    except (LostKey, InvalidTag):
        log.error("an embed secret can't be opened", org_id=one.org_id, id=one.secret_id)
        return False
    again = one.sealing + 1
    sealed = sealer.seal(plain, *store.place_of(one.org_id, one.secret_id, again))
    await store.seal_anew(tx, one.org_id, one.secret_id, sealed, again)
    return True


async def _admin(ctx: Ctx, read: Read) -> Asker:
    asking = await asker(ctx, read)
    links.check_admin(asking.person)
    return asking


async def _in_use(ctx: Ctx, read: Read, org_id: str, secret_id: str) -> EmbedSecretInUse:
    kept = await store.secret(read, org_id, secret_id)
    used_by = [
        SecretUser(
            link_id=one.link_id,
            link_name=one.link_name,
            dashboard_id=one.dashboard_id,
            dashboard_title=one.title,
            uses=one.uses,
            last_used_at=one.last_at,
            recent=one.last_at > ctx.now - rules.RECENTLY,
        )
        for one in await store.users(read, org_id, secret_id)
    ]
    return EmbedSecretInUse(**_view(kept, ctx.now).model_dump(), used_by=used_by)


async def _warning(read: Read, kept: store.KeptSecret, user_id: str, name: str, email: str) -> MailRequested:
    assert kept.life.expires_at is not None
    superseded = kept.life.superseded_at or kept.life.created_at
    users = await store.users(read, kept.org_id, kept.life.secret_id)
    titles = list(dict.fromkeys(one.title or one.dashboard_id for one in users if one.last_at >= superseded))
    more = f" (+{len(titles) - NAMED})" if len(titles) > NAMED else ""
    return MailRequested(
        about=kept.org_id,
        org_id=kept.org_id,
        to=email,
        reader=user_id,
        template="embed_secret_expiring",
        values={
            "name": name,
            "organization": await store.organization_name(read, kept.org_id),
            "secret_id": kept.life.secret_id,
            "expires_at": kept.life.expires_at.isoformat(),
            "dashboards": ", ".join(titles[:NAMED]) + more,
        },
    )


def _view(kept: store.KeptSecret, now: datetime) -> EmbedSecret:
    return EmbedSecret(
        id=kept.life.secret_id,
        state=rules.state(kept.life, now),
        created_at=kept.life.created_at,
        created_by=kept.created_by,
        expires_at=kept.life.expires_at,
        revoked_at=kept.life.revoked_at,
        uses=kept.uses,
        last_used_at=kept.last_used_at,
    )


def _sealer(ctx: Ctx) -> Sealer:
    return Sealer(ctx.env.settings.secrets.master)
