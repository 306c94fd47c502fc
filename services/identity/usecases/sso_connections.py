"""Connections to identity providers: set up step by step, changed, removed. Setting up needs the plan; taking away never does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StringConstraints

from services.identity.rules import sso as rules
from services.identity.rules.sso import Connection, StepFailed
from services.identity.store import plans, projections, sso_connections, sso_sign_ins
from services.identity.usecases import saml_requests
from services.identity.usecases.opened import opened
from services.identity.usecases.saml_metadata import ImportSaml, read_provider, settings_after
from services.identity.usecases.sso_lockout import check_keeps_an_admin
from services.identity.usecases.sso_views import SsoConnectionView, view_of
from shared.db import Tx
from shared.errors import Problem, invalid
from shared.events.identity_sso import SsoConnectionChanged, SsoConnectionCreated, SsoConnectionRemoved
from shared.fields import Message, Name, View, domain_of
from shared.ids import ConnectionId, GroupId, new_id
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

Domains = Annotated[
    list[Annotated[str, StringConstraints(min_length=3, max_length=253)]],
    Field(max_length=100, description="Domains of the organization that DNS proves."),
]
Url = Annotated[str, StringConstraints(min_length=9, max_length=2048)]


class ListConnections(ListQuery):
    """The organization's connections."""


class WhichConnection(Message):
    connection_id: ConnectionId


class CreateConnection(Message):
    """`new_users`: whether who is new may start at once, waits for an Admin, or has to be invited."""

    name: Name
    protocol: rules.Protocol
    provider: rules.Provider = "generic"
    domains: Domains = Field(default_factory=list)
    new_users: rules.NewUsers = "approval"
    default_role: rules.DefaultRole = "viewer"
    group_ids: Annotated[list[GroupId], Field(max_length=100)] = Field(default_factory=list)


class ChangeConnection(Message):
    connection_id: ConnectionId
    name: Name | None = None
    domains: Domains | None = None
    new_users: rules.NewUsers | None = None
    default_role: rules.DefaultRole | None = None
    group_ids: Annotated[list[GroupId], Field(max_length=100)] | None = None
    allow_idp_initiated: bool | None = None
    encrypt_assertions: bool | None = None


class ImportOidc(Message):
    """Of an OpenID Connect provider: its issuer (or the address of its discovery document), and who we are there.

    Without `client_secret` the one that was set stays.
    """

    issuer: Url
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=500)] | None = None


class ImportMetadata(Message):
    connection_id: ConnectionId
    oidc: ImportOidc | None = None
    saml: ImportSaml | None = None


async def list_connections(ctx: Ctx, query: ListConnections) -> Page[SsoConnectionView]:
    """The organization's connections, the oldest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read() as read:
        included, _ = await plans.single_sign_on(read, ctx.actor.org())
        proven = await sso_connections.proven_domains(read, ctx.actor.org())
        found = await sso_connections.every(read, ctx.actor.org())
    after = [one for one in found if position is None or one.connection_id > position[0]]
    views = [view_of(ctx, one, included, proven) for one in after[: query.limit + 1]]
    return cursors.page(views, query, lambda view: [view.id], len(found))


async def read_connection(ctx: Ctx, which: WhichConnection) -> SsoConnectionView:
    """One connection."""
    async with ctx.read() as read:
        found = await sso_connections.one(read, ctx.actor.org(), which.connection_id)
        if found is None:
            raise Problem("not_found")
        included, _ = await plans.single_sign_on(read, ctx.actor.org())
        proven = await sso_connections.proven_domains(read, ctx.actor.org())
    return view_of(ctx, found, included, proven)


async def create_connection(ctx: Ctx, wanted: CreateConnection) -> SsoConnectionView:
    """Begins a connection, as a draft that does nothing. Import its metadata, verify it, then activate it."""
    key = await saml_requests.make_key(ctx.now) if wanted.protocol == "saml" else None
    async with ctx.tx() as tx:
        held = await hold(tx, ctx)
        if len(held) >= rules.MOST_CONNECTIONS:
            raise Problem(
                "conflict",
                f"An organization has at most {rules.MOST_CONNECTIONS} connections.",
                meta={"because": "too_many_sso_connections", "limit": rules.MOST_CONNECTIONS},
            )
        await check_included(tx, ctx)
        connection = Connection(
            org_id=ctx.actor.org(),
            connection_id=new_id("sso"),
            name=wanted.name,
            protocol=wanted.protocol,
            provider=wanted.provider,
            status="draft",
            domains=await _domains(tx, ctx, wanted.domains),
            new_users=wanted.new_users,
            default_role=wanted.default_role,
            group_ids=tuple(dict.fromkeys(wanted.group_ids)),
            metadata_url=None,
            oidc=None,
            saml=None,
            sealed=None,
            version=1,
            created_at=ctx.now,
            created_by=ctx.actor.person(),
            changed_at=ctx.now,
            changed_by=ctx.actor.person(),
        )
        await sso_connections.add(tx, connection)
        if key is not None:
            await saml_requests.keep_key(tx, ctx, connection, key)
        await tx.emit(SsoConnectionCreated(org_id=connection.org_id, connection=connection.state()))
        return await seen(tx, ctx, connection)


async def change_connection(ctx: Ctx, wanted: ChangeConnection) -> SsoConnectionView:
    """Changes what a connection is called, for whom it is, and what becomes of who is new."""
    async with ctx.tx() as tx:
        held = await hold(tx, ctx)
        before = which_of(held, wanted.connection_id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        await check_included(tx, ctx)
        changes: dict[str, Any] = {
            name: value
            for name in ("name", "new_users", "default_role")
            if (value := getattr(wanted, name)) is not None
        }
        if wanted.domains is not None:
            changes["domains"] = await _domains(tx, ctx, wanted.domains)
        if wanted.group_ids is not None:
            changes["group_ids"] = tuple(dict.fromkeys(wanted.group_ids))
        of_saml = {
            name: value
            for name in ("allow_idp_initiated", "encrypt_assertions")
            if (value := getattr(wanted, name)) is not None
        }
        if of_saml:
            if before.saml is None:
                pointer = f"/{next(iter(of_saml))}"
                raise invalid(pointer, "not_saml", "needs a SAML connection whose metadata was imported")
            changes["saml"] = replace(before.saml, **of_saml)
        after = replace(before, **changes)
        if after.status == "active":
            others = [one for one in held if one.connection_id != after.connection_id]
            proven = await sso_connections.proven_domains(tx, ctx.actor.org())
            rules.check_may_be_activated(after, proven, others)
            await check_keeps_an_admin(tx, after.org_id, [after, *(one for one in others if one.status == "active")])
        return await changed(tx, ctx, before, after)


async def import_metadata(ctx: Ctx, wanted: ImportMetadata) -> SsoConnectionView:
    """Takes in what the provider says of itself, and checks it. A file or page is read once, now.

    Another issuer than before, or another client, has to be verified again, so it is refused while the connection is active.
    """
    async with ctx.read() as read:
        known = await sso_connections.one(read, ctx.actor.org(), wanted.connection_id)
        if known is None:
            raise Problem("not_found")
        rules.check_plan(*await plans.single_sign_on(read, ctx.actor.org()))
    if (wanted.oidc is None) == (wanted.saml is None) or getattr(wanted, known.protocol) is None:
        raise invalid("", "other_protocol", f"give what belongs to {known.protocol}", protocol=known.protocol)
    if wanted.saml is not None:
        return await _import_saml(ctx, wanted.connection_id, wanted.saml)
    assert wanted.oidc is not None
    return await _import_oidc(ctx, wanted.connection_id, wanted.oidc)


async def _import_saml(ctx: Ctx, connection_id: str, wanted: ImportSaml) -> SsoConnectionView:
    said = await read_provider(ctx, wanted)
    async with ctx.tx() as tx:
        before = which_of(await hold(tx, ctx), connection_id)
        await check_included(tx, ctx)
        after = replace(before, saml=settings_after(ctx, before, wanted, said), metadata_url=wanted.url)
        return await imported(tx, ctx, before, after)


async def _import_oidc(ctx: Ctx, connection_id: str, wanted: ImportOidc) -> SsoConnectionView:
    try:
        settings = await opened(ctx).providers.discover(wanted.issuer, wanted.client_id)
    except StepFailed as failure:
        raise invalid("/oidc/issuer", failure.step, failure.cause) from None
    async with ctx.tx() as tx:
        before = which_of(await hold(tx, ctx), connection_id)
        await check_included(tx, ctx)
        after = replace(before, oidc=settings)
        sealed = before.sealed if after.provider_known_as == before.provider_known_as else None
        if wanted.client_secret is not None:
            place = ("sso", before.org_id, before.connection_id)
            sealed = opened(ctx).sealer.seal(wanted.client_secret.get_secret_value(), *place)
        if sealed is None:
            raise invalid("/oidc/client_secret", "missing", "is needed for another issuer or client")
        return await imported(tx, ctx, before, replace(after, sealed=sealed))


async def imported(tx: Tx, ctx: Ctx, before: Connection, after: Connection) -> SsoConnectionView:
    """Keeps imported metadata. What an Admin has verified was another provider, unless it is the same one."""
    if after.provider_known_as != before.provider_known_as:
        if before.status == "active":
            raise Problem(
                "conflict",
                "People sign in by this connection. Switch it off first, or set up another one.",
                meta={"because": "active"},
            )
        after = replace(after, status="draft", verified_at=None, verified_by=None)
        # Another provider's subjects may look the same: its people are linked anew, by their addresses.
        await sso_sign_ins.forget_people(tx, after.org_id, after.connection_id)
    return await changed(tx, ctx, before, after)


async def remove_connection(ctx: Ctx, which: WhichConnection) -> None:
    """Removes a connection, on any plan. Its people use a password again; who has none sets one by "forgot password"."""
    async with ctx.tx() as tx:
        before = which_of(await hold(tx, ctx), which.connection_id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        await sso_sign_ins.forget_people(tx, before.org_id, before.connection_id)
        await sso_connections.remove(tx, before.org_id, before.connection_id)
        await tx.emit(SsoConnectionRemoved(org_id=before.org_id, connection=before.state()))


class AttemptView(View):
    """A sign-in that came back from the provider. `step` is `done`, or where it ended and `cause` why; `cause_code` and `cause_meta` say that for programs.

    The address is masked; `claims` are those that name nobody. `trace` is what the person was shown.
    """

    id: str
    at: datetime
    purpose: Literal["sign_in", "verification", "proof"]
    step: str
    cause: str | None
    cause_code: str | None
    cause_meta: dict[str, str | int]
    email: str | None
    claims: dict[str, str]
    trace: str | None


class Attempts(View):
    data: list[AttemptView]


async def list_attempts(ctx: Ctx, which: WhichConnection) -> Attempts:
    """The last twenty sign-ins that came back from the provider, the newest first."""
    async with ctx.read() as read:
        found = await sso_sign_ins.attempts(read, ctx.actor.org(), which.connection_id, rules.ATTEMPTS_SHOWN)
    return Attempts(
        data=[
            AttemptView(
                id=one.attempt_id,
                at=one.at,
                purpose=one.purpose,
                step=one.step,
                cause=one.cause,
                cause_code=one.cause_code,
                cause_meta=dict(one.cause_meta),
                email=one.email,
                claims=dict(one.claims),
                trace=one.request_id,
            )
            for one in found
        ]
    )


# -- what changing has in common


async def hold(tx: Tx, ctx: Ctx) -> list[Connection]:
    """The actor's organization's connections, for an Admin of it at this very moment."""
    held = await sso_connections.hold(tx, ctx.actor.org())
    if not await projections.acts_as_admin(tx, ctx.actor.org(), ctx.actor.person()):
        raise Problem("forbidden")
    return held


def which_of(held: Iterable[Connection], connection_id: str) -> Connection:
    for one in held:
        if one.connection_id == connection_id:
            return one
    raise Problem("not_found")


async def check_included(tx: Tx, ctx: Ctx) -> None:
    rules.check_plan(*await plans.single_sign_on(tx, ctx.actor.org()))


async def changed(tx: Tx, ctx: Ctx, before: Connection, after: Connection) -> SsoConnectionView:
    """Keeps a change and tells which settings are others. What is so already is no change."""
    different = [name for name in before.__dataclass_fields__ if getattr(before, name) != getattr(after, name)]
    if not different:
        return await seen(tx, ctx, before)
    after = replace(after, changed_at=ctx.now, changed_by=ctx.actor.person())
    await sso_connections.keep(tx, after)
    names = sorted({"client_secret" if name == "sealed" else name for name in different})
    await tx.emit(SsoConnectionChanged(org_id=after.org_id, connection=after.state(), changed=names))
    return await seen(tx, ctx, replace(after, version=before.version + 1))


async def seen(tx: Tx, ctx: Ctx, connection: Connection) -> SsoConnectionView:
    included, _ = await plans.single_sign_on(tx, connection.org_id)
    return view_of(ctx, connection, included, await sso_connections.proven_domains(tx, connection.org_id))


async def _domains(tx: Tx, ctx: Ctx, wanted: Iterable[str]) -> tuple[str, ...]:
    proven = await sso_connections.proven_domains(tx, ctx.actor.org())
    found: dict[str, None] = {}
    for place, text in enumerate(wanted):
        try:
            name = domain_of(f"postmaster@{text}")
        except ValueError:
            raise invalid(f"/domains/{place}", "no_domain", "is no domain name") from None
        if name not in proven:
            raise invalid(
                f"/domains/{place}", "domain_not_proven", f"{name} isn't proven by DNS to be yours", domain=name
            )
        found[name] = None
    return tuple(found)
