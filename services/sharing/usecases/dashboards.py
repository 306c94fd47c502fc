"""Dashboards: registered by the analytics product under its own ids; here it is only decided who may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from services.sharing.rules import access, sharing
from services.sharing.rules.access import Board, Mode, Path, Person, Plan
from services.sharing.store import access as reading
from services.sharing.store import dashboards as store
from services.sharing.usecases.asking import Anybody, anybody, asker, may_know_of, owner_of, registrar
from shared.db import Read
from shared.errors import Problem, invalid
from shared.events import sharing as said
from shared.fields import Composed, ForeignId, Message, Name, View
from shared.ids import UserId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

Parameters = Annotated[list[Name], Field(max_length=100, description="The names of the dashboard's filters.")]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[^\s/]+(/\S*)?$")]


class Owner(View):
    """`name` is null when the owner was never a member that sharing heard of."""

    user_id: str
    name: str | None


class Dashboard(Composed):
    """A dashboard, and by which paths I see it (`group_names`: my groups among those it is shared with).

    `shared_with` is the mode of its sharing, for its owner, and for an Admin who asks for all of the organization.
    """

    id: str
    title: str
    owner: Owner
    parameters: tuple[str, ...]
    thumbnail_url: str | None
    my_access: tuple[Path, ...]
    group_names: tuple[str, ...]
    shared_with: Mode | None
    created_at: datetime
    updated_at: datetime


class RegisterDashboard(Message):
    """`owner_id`: an Admin may register a dashboard for another Admin or Analyst, and an API key must."""

    id: ForeignId
    title: Name
    owner_id: UserId | None = None
    parameters: Parameters = Field(default_factory=list)
    thumbnail_url: Url | None = None


class WhichDashboard(Message):
    dashboard_id: ForeignId


class ListDashboards(ListQuery):
    q: Annotated[str | None, Field(max_length=200, description="Part of the title, regardless of case.")] = None
    id: Annotated[ForeignId | None, Field(description="This one alone.")] = None
    scope: Annotated[
        Literal["visible", "organization"],
        Field(description="Those that I see, or, for an Admin, all that are registered, whoever sees them."),
    ] = "visible"


class ChangeDashboard(Message):
    dashboard_id: ForeignId
    title: Name | None = None
    parameters: Parameters | None = None
    thumbnail_url: Url | None = None

    @model_validator(mode="after")
    def _only_the_thumbnail_can_be_removed(self) -> ChangeDashboard:
        for name in ("title", "parameters"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} can't be null")
        return self


class TransferDashboard(Message):
    dashboard_id: ForeignId
    owner_id: UserId


async def register_dashboard(ctx: Ctx, wanted: RegisterDashboard) -> Dashboard:
    """Registers a dashboard; at first only its owner sees it."""
    async with ctx.tx() as tx:
        asking = await registrar(ctx, tx)
        owner = await _owner_wanted(tx, asking, wanted.owner_id)
        board = Board(wanted.id, wanted.title, owner.user_id, "nobody", False, False)
        told = await tx.emit(said.DashboardRegistered(org_id=asking.org_id, dashboard=state(board, wanted.parameters)))
        await store.add_dashboard(tx, asking.org_id, board, wanted.parameters, wanted.thumbnail_url, ctx.now, told.id)
        return await _answer(tx, asking, wanted.id)


async def list_dashboards(ctx: Ctx, query: ListDashboards) -> Page[Dashboard]:
    """The dashboards that I can see, by title, each with the paths by which I see it. An API key lists all that are registered."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    after = cursors.read(query) or ["", ""]
    async with ctx.read() as read:
        org_id, user_id = ctx.actor.org(), ctx.actor.user_id or ""
        person, plan = await reading.standing(read, org_id, user_id)
        places = await _places(ctx, read, query, access.reach(person, plan), after)
        shown = await store.dashboards(read, org_id, [dashboard_id for _, dashboard_id in places], user_id)
    page = cursors.page(shown, query, lambda kept: (kept.title_key, kept.board.dashboard_id))
    tells = query.scope == "organization"
    return Page(data=[view(kept, person, plan, tells_sharing=tells) for kept in page.data], page=page.page)


async def _places(
    ctx: Ctx, read: Read, query: ListDashboards, reach: access.Reach, after: Sequence[str]
) -> Sequence[tuple[str, str]]:
    org_id, like, limit = ctx.actor.org(), reading.containing(query.q), query.limit + 1
    every = query.scope == "organization"
    if every and ctx.actor.kind != "key":
        sharing.check_admin((await asker(ctx, read)).person)
    if query.id is not None:
        known = reading.board_exists(read, org_id, query.id) if every else may_know_of(read, ctx.actor, query.id)
        return [("", query.id)] if await known else []
    if every or ctx.actor.kind == "key":
        return await reading.registered(read, org_id, after=after, like=like, limit=limit)
    return await reading.visible(read, org_id, ctx.actor.person(), reach, after=after, like=like, limit=limit)


async def read_dashboard(ctx: Ctx, which: WhichDashboard) -> Dashboard:
    """One dashboard that I can see, or, for an API key, that is registered."""
    async with ctx.read() as read:
        if not await may_know_of(read, ctx.actor, which.dashboard_id):
            raise Problem("not_found")
        return await _answer(read, await anybody(ctx, read), which.dashboard_id)


async def change_dashboard(ctx: Ctx, wanted: ChangeDashboard) -> Dashboard:
    """Changes a dashboard's title, parameters or thumbnail; its owner alone may, and an API key."""
    async with ctx.tx() as tx:
        asking = await anybody(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id)
        if asking.person is not None:
            sharing.check_owns(asking.person, kept.board)
        ctx.check_version(kept.version, changed_at=kept.updated_at)
        given = wanted.model_dump(include=wanted.model_fields_set - {"dashboard_id"})
        now = {
            "title": kept.board.title,
            "parameters": list(kept.parameters),
            "thumbnail_url": kept.thumbnail_url,
        }
        changed = {name: value for name, value in given.items() if value != now[name]}
        if changed:
            after = now | changed
            board = replace(kept.board, title=after["title"])
            previous = {name: now[name] for name in changed if name != "thumbnail_url"}
            await store.change_dashboard(tx, asking.org_id, board, after["parameters"], after["thumbnail_url"], ctx.now)
            dashboard = state(board, after["parameters"])
            await tx.emit(said.DashboardChanged(org_id=asking.org_id, dashboard=dashboard, previous=previous))
        return await _answer(tx, asking, wanted.dashboard_id)


async def remove_dashboard(ctx: Ctx, which: WhichDashboard) -> None:
    """Removes a dashboard: its owner may, an Admin when its owner has left, and an API key."""
    async with ctx.tx() as tx:
        asking = await anybody(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, which.dashboard_id)
        if asking.person is not None:
            sharing.check_in_charge(asking.person, kept.board, await owner_of(tx, asking.org_id, kept.board))
        ctx.check_version(kept.version, changed_at=kept.updated_at)
        await store.remove_dashboard(tx, asking.org_id, which.dashboard_id, ctx.now)
        dashboard = state(kept.board, kept.parameters)
        await tx.emit(said.DashboardRemoved(org_id=asking.org_id, dashboard=dashboard))


async def transfer_dashboard(ctx: Ctx, wanted: TransferDashboard) -> Dashboard:
    """Hands a dashboard over to another Admin or Analyst: its owner may, and an Admin or an API key when its owner has left."""
    async with ctx.tx() as tx:
        asking = await anybody(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id)
        owner = await owner_of(tx, asking.org_id, kept.board)
        if asking.person is not None:
            sharing.check_in_charge(asking.person, kept.board, owner)
        else:
            sharing.check_orphaned(owner)
        ctx.check_version(kept.version, changed_at=kept.updated_at)
        new_owner, _ = await reading.standing(tx, asking.org_id, wanted.owner_id)
        sharing.check_new_owner(new_owner)
        if wanted.owner_id != kept.board.owner_id:
            dashboard = state(replace(kept.board, owner_id=wanted.owner_id), kept.parameters)
            told = await tx.emit(
                said.DashboardTransferred(
                    org_id=asking.org_id, dashboard=dashboard, previous_owner_id=kept.board.owner_id
                )
            )
            await store.set_owner(tx, asking.org_id, wanted.dashboard_id, wanted.owner_id, ctx.now, told.id)
        return await _answer(tx, asking, wanted.dashboard_id)


def state(board: Board, parameters: Sequence[str]) -> said.Dashboard:
    """A dashboard as events tell it. A thumbnail's address may be a signed one, so it stays here."""
    return said.Dashboard(
        dashboard_id=board.dashboard_id, title=board.title, owner_id=board.owner_id, parameters=list(parameters)
    )


def view(kept: store.Kept, person: Person | None, plan: Plan | None, *, tells_sharing: bool = False) -> Dashboard:
    """A dashboard as this person gets to see it."""
    board = kept.board
    ways = access.paths(person, plan, board, bool(kept.my_groups))
    is_owner = person is not None and board.owner_id == person.user_id
    return Dashboard(
        version=kept.version,
        id=board.dashboard_id,
        title=board.title,
        owner=Owner(user_id=board.owner_id, name=kept.owner_name),
        parameters=kept.parameters,
        thumbnail_url=kept.thumbnail_url if ways or is_owner or person is None else None,
        my_access=ways,
        group_names=kept.my_groups if "group" in ways else (),
        shared_with=board.mode if is_owner or tells_sharing else None,
        created_at=kept.created_at,
        updated_at=kept.updated_at,
    )


async def _owner_wanted(read: Read, asking: Anybody, owner_id: str | None) -> Person:
    """For whom a dashboard is registered: for oneself, or, as an Admin or with a key, for another author."""
    person = asking.person
    if person is not None and owner_id in (None, person.user_id):
        return person
    if owner_id is None:
        raise invalid("/owner_id", "required", "an API key owns nothing: name an Admin or Analyst")
    if person is not None and person.effective_role != "admin":
        raise Problem(
            "forbidden", "Only an Admin registers dashboards for others.", meta={"because": "role", "roles": ["admin"]}
        )
    owner, _ = await reading.standing(read, asking.org_id, owner_id)
    sharing.check_new_owner(owner)
    assert owner is not None
    return owner


async def _answer(read: Read, asking: Anybody, dashboard_id: str) -> Dashboard:
    user_id = asking.person.user_id if asking.person is not None else ""
    (kept,) = await store.dashboards(read, asking.org_id, [dashboard_id], user_id)
    return view(kept, asking.person, asking.plan)
