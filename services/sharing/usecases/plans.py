"""What a plan does to sharing: what may be done now, and what another plan would change."""

from __future__ import annotations

from services.sharing.rules import sharing
from services.sharing.rules.access import AUTHORS, Person, Plan
from services.sharing.store import access as reading
from services.sharing.store import effects as store
from services.sharing.store.effects import Gate
from shared.capabilities import Because, Capabilities, Capability
from shared.events.billing import Entitlements
from shared.fields import Message, Nothing, View
from shared.ids import OrgId
from shared.outbox import newest_change
from shared.service import Ctx


class AskPlanEffects(Message):
    org_id: OrgId
    entitlements: Entitlements


class Somebody(View):
    user_id: str
    name: str
    email: str


class LosingDashboard(View):
    """A dashboard that people lose: all counted, the first 50 by name, and the groups through which they see it now."""

    dashboard_id: str
    title: str
    losing: tuple[Somebody, ...]
    losing_count: int
    through: tuple[str, ...]


class GainingDashboard(View):
    dashboard_id: str
    title: str
    gaining: tuple[Somebody, ...]
    gaining_count: int
    through: tuple[str, ...]


class AffectedLink(View):
    link_id: str
    name: str
    dashboard_id: str
    title: str


class PlanEffects(View):
    """`state` grows with every change here. Dashboards and links are all counted.

    The first 50 dashboards of each kind are listed by title (fewer when very many people see them), and the first 500 links by name.
    """

    state: int
    dashboards: tuple[LosingDashboard, ...]
    dashboards_count: int
    gaining: tuple[GainingDashboard, ...]
    gaining_count: int
    links_suspended: tuple[AffectedLink, ...]
    links_suspended_count: int
    links_resumed: tuple[AffectedLink, ...]
    links_resumed_count: int


async def plan_effects(ctx: Ctx, asked: AskPlanEffects) -> PlanEffects:
    """Which dashboards would lose or gain which readers, and which links would open or not, if these entitlements came to be."""
    org_id, wanted = asked.org_id, asked.entitlements
    async with ctx.read(org_id) as read:
        _, plan = await reading.standing(read, org_id, "")
        authors = await store.authors(read, org_id)
        acting = frozenset(author.user_id for author in authors if author.acting)
        would_act = acting
        if plan is None or wanted.author_slots != plan.author_slots:
            members = [(author.user_id, author.role, author.joined_at) for author in authors]
            would_act = sharing.authors_under(wanted.author_slots, members)
        now, then = Gate.of(plan, acting), Gate.of(_plan_of(wanted), would_act)
        losing, losing_count = await store.lost(read, org_id, now, then)
        gaining, gaining_count = await store.lost(read, org_id, then, now)
        suspended, suspended_count = await store.lost_links(read, org_id, now, then)
        resumed, resumed_count = await store.lost_links(read, org_id, then, now)
        state = await newest_change(read, org_id)
    return PlanEffects(
        state=state,
        dashboards=[
            LosingDashboard(
                dashboard_id=one.dashboard_id,
                title=one.title,
                losing=_people(one),
                losing_count=one.how_many,
                through=one.through,
            )
            for one in losing
        ],
        dashboards_count=losing_count,
        gaining=[
            GainingDashboard(
                dashboard_id=one.dashboard_id,
                title=one.title,
                gaining=_people(one),
                gaining_count=one.how_many,
                through=one.through,
            )
            for one in gaining
        ],
        gaining_count=gaining_count,
        links_suspended=[AffectedLink(**vars(one)) for one in suspended],
        links_suspended_count=suspended_count,
        links_resumed=[AffectedLink(**vars(one)) for one in resumed],
        links_resumed_count=resumed_count,
    )


async def list_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """What the actor may do with dashboards and sharing, with the reason for everything refused."""
    person: Person | None = None
    plan: Plan | None = None
    if ctx.actor.org_id is not None:
        async with ctx.read() as read:
            person, plan = await reading.standing(read, ctx.actor.org(), ctx.actor.person())
    everybody = _for_members(person)
    authors = everybody or _for_authors(ctx, person)
    admins = everybody or _for_admins(ctx, person)
    return Capabilities(
        capabilities=[
            _capability("dashboards.read", everybody),
            _capability("dashboards.register", authors),
            _capability("dashboards.write", authors),
            _capability("dashboards.hand_over", admins),
            _capability("groups.read_dashboards", admins),
            _capability("sharing.manage", authors),
            _capability("share.all_users", authors),
            _capability("share.all_analysts", authors or _by_plan(plan, "share_all_analysts")),
            _capability("share.groups", authors or _by_plan(plan, "custom_groups")),
            _capability("links.create", authors or _by_plan(plan, "sharing_links")),
            _capability("links.allow_parameters", authors or _by_plan(plan, "interactive_embedding")),
            _capability("links.suspend", admins),
            _capability("links.restrict", admins),
            _capability("access.evaluate", everybody),
            _capability("access.evaluate_others", admins),
            _capability("access.review", admins),
            _capability("embed_secrets.read", admins),
            _capability("embed_secrets.reset", admins),
            _capability("embed_secrets.revoke", admins),
            _capability("embed_secrets.reveal", admins),
            _capability("embed_refusals.read", admins),
            _capability("embed_tokens.inspect", admins),
        ]
    )


def _people(lost: store.Lost) -> list[Somebody]:
    return [Somebody(user_id=user_id, name=name, email=email) for user_id, name, email in lost.people]


def _plan_of(wanted: Entitlements) -> Plan:
    return Plan(
        wanted.plan,
        wanted.plan_name,
        wanted.author_slots,
        wanted.custom_groups,
        wanted.share_all_analysts,
        wanted.sharing_links,
        wanted.interactive_embedding,
    )


def _capability(action: str, because: Because | None) -> Capability:
    return Capability(action=action, allowed=because is None, because=because)


def _for_members(person: Person | None) -> Because | None:
    if person is None or not person.active:
        return Because(kind="state", code="not_a_member", detail="You aren't an active member of an organization here.")
    return None


def _for_authors(ctx: Ctx, person: Person | None) -> Because | None:
    if person is not None and person.author and ctx.actor.role in AUTHORS:
        return None
    if person is not None and person.waits_for_slot:
        return Because(
            kind="limit",
            code="acts_as_viewer",
            detail="The plan has no author slot for you at present: you act as Viewer.",
        )
    return Because(kind="role", roles=["admin", "analyst"], detail="Admins and Analysts may do this.")


def _for_admins(ctx: Ctx, person: Person | None) -> Because | None:
    if person is not None and person.effective_role == "admin" and ctx.actor.role == "admin":
        return None
    return Because(kind="role", roles=["admin"], detail="Admins may do this.")


def _by_plan(plan: Plan | None, feature: str) -> Because | None:
    if plan is not None and getattr(plan, feature):
        return None
    named = f"The plan {plan.name}" if plan is not None else "Your plan, which isn't known here yet,"
    return Because(kind="plan", plan=sharing.SMALLEST_PLAN[feature], detail=f"{named} doesn't include this.")
