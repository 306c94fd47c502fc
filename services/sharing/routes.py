"""The endpoints of sharing."""

from __future__ import annotations

from services.sharing.store.secrets import secret_exists
from services.sharing.usecases import (
    actions,
    dashboards,
    decisions,
    embed_log,
    embed_secrets,
    embedding,
    explanations,
    foreseen,
    group_dashboards,
    group_sharing,
    handover,
    link_bulk,
    link_policy,
    link_usage,
    links,
    pictures,
    plans,
    reviews,
    sharing,
    sight,
)
from services.sharing.usecases.asking import may_know_of
from services.sharing.usecases.links import may_know_of_link
from shared.service import Route, admin, analyst, anyone, delete, get, member, patch, person, post, put, service

ONE = "/v1/dashboards/{dashboard_id}"
IN_GROUP = "/v1/groups/{group_id}/dashboards/{dashboard_id}"
LINK = "/v1/links/{link_id}"
ALL_LINKS = "/v1/links/suspension"
LINK_POLICY = "/v1/links/policy"
ONE_EMBED_KEY = "/v1/embed-secrets/{secret_id}"

ROUTES: tuple[Route, ...] = (
    post(
        "/v1/dashboards",
        dashboards.register_dashboard,
        analyst("dashboards.register"),
        status=201,
        key="dashboards:manage",
    ),
    get("/v1/dashboards", dashboards.list_dashboards, member("dashboards.read"), key="dashboards:view"),
    get(ONE, dashboards.read_dashboard, member("dashboards.read"), seen_by=may_know_of, key="dashboards:view"),
    patch(ONE, dashboards.change_dashboard, analyst("dashboards.write"), seen_by=may_know_of, key="dashboards:manage"),
    delete(ONE, dashboards.remove_dashboard, analyst("dashboards.write"), seen_by=may_know_of, key="dashboards:manage"),
    post(
        f"{ONE}/transfer",
        dashboards.transfer_dashboard,
        analyst("dashboards.write"),
        seen_by=may_know_of,
        key="dashboards:manage",
    ),
    get(f"{ONE}/sharing", sharing.read_sharing, member("sharing.read"), seen_by=may_know_of),
    put(f"{ONE}/sharing", sharing.share_dashboard, analyst("sharing.manage"), seen_by=may_know_of, if_match=True),
    delete(f"{ONE}/sharing", sharing.unshare_dashboard, member("sharing.narrow"), seen_by=may_know_of),
    post(f"{ONE}/sharing-preview", sharing.preview_sharing, analyst("sharing.manage"), seen_by=may_know_of),
    get(
        "/v1/groups/{group_id}/dashboards",
        group_dashboards.list_group_dashboards,
        admin("groups.read_dashboards"),
        known_by=group_dashboards.group_is_known,
        key="dashboards:view",
    ),
    put(IN_GROUP, group_sharing.share_with_group, analyst("sharing.manage"), seen_by=group_sharing.may_know_of_both),
    delete(
        IN_GROUP, group_sharing.unshare_with_group, member("sharing.narrow"), seen_by=group_sharing.may_know_of_both
    ),
    post(f"{ONE}/links", links.create_link, analyst("links.create"), seen_by=may_know_of, status=201, unrecorded=True),
    get(f"{ONE}/links", links.list_links_of_dashboard, member("links.read"), seen_by=may_know_of),
    get("/v1/links", links.list_links, member("links.read")),
    get("/v1/links/usage", link_usage.read_links_usage, member("links.read")),
    post("/v1/links/bulk-actions", link_bulk.act_on_many_links, member("links.write"), needs_key=True),
    get(LINK, links.read_link, member("links.read"), seen_by=may_know_of_link),
    get(f"{LINK}/qr-code", link_usage.read_link_code, member("links.read"), seen_by=may_know_of_link),
    patch(LINK, links.change_link, member("links.write"), seen_by=may_know_of_link, unrecorded=True),
    delete(LINK, links.remove_link, member("links.write"), seen_by=may_know_of_link),
    post(
        f"{LINK}/token-rotations",
        links.rotate_link_token,
        member("links.write"),
        seen_by=may_know_of_link,
        unrecorded=True,
    ),
    get(ALL_LINKS, links.read_links_suspension, analyst("links.read")),
    post(ALL_LINKS, links.suspend_links, admin("links.suspend")),
    delete(ALL_LINKS, links.resume_links, admin("links.suspend")),
    get(LINK_POLICY, link_policy.read_link_policy, analyst("links.read")),
    post(f"{LINK_POLICY}-preview", link_policy.preview_link_policy, admin("links.restrict")),
    patch(LINK_POLICY, link_policy.change_link_policy, admin("links.restrict"), if_match=True),
    post(
        "/v1/users/{user_id}/dashboard-transfer",
        handover.transfer_dashboards,
        admin("dashboards.hand_over"),
        known_by=handover.member_is_known,
    ),
    post("/access/v1/evaluation", decisions.evaluate, member("access.evaluate"), key="access:view"),
    post("/access/v1/evaluations", decisions.evaluate_many, member("access.evaluate"), key="access:view"),
    post("/access/v1/search/resource", decisions.search_resources, member("access.evaluate"), key="access:view"),
    post("/access/v1/search/subject", decisions.search_subjects, member("access.evaluate"), key="access:view"),
    post("/access/v1/search/action", actions.search_actions, member("access.evaluate"), key="access:view"),
    post("/v1/access-explanations", explanations.explain_access, member("access.evaluate"), key="access:view"),
    get(
        "/v1/users/{user_id}/dashboards",
        sight.list_seen_dashboards,
        admin("access.review"),
        known_by=handover.member_is_known,
    ),
    get(f"{ONE}/viewers", sight.list_viewers, admin("access.review"), seen_by=sight.may_review),
    post("/v1/access-reviews", reviews.review_access, admin("access.review"), status=202),
    get("/v1/embed-secrets", embed_secrets.list_embed_secrets, admin("embed_secrets.read")),
    post("/v1/embed-secrets", embed_secrets.reset_embed_secret, admin("embed_secrets.reset"), status=201, fresh=True),
    get(ONE_EMBED_KEY, embed_secrets.read_embed_secret, admin("embed_secrets.read"), known_by=secret_exists),
    post(
        f"{ONE_EMBED_KEY}/revocation",
        embed_secrets.revoke_embed_secret,
        admin("embed_secrets.revoke"),
        known_by=secret_exists,
    ),
    post(
        f"{ONE_EMBED_KEY}/reveal",
        embed_secrets.reveal_embed_secret,
        admin("embed_secrets.reveal"),
        known_by=secret_exists,
        fresh=True,
        unrecorded=True,
    ),
    get("/v1/shared/{shared_dashboard_id}", embedding.resolve_link, anyone("links.open")),
    post("/v1/shared/{shared_dashboard_id}/unlocks", embedding.unlock_link, anyone("links.open"), unrecorded=True),
    get("/v1/dashboard-pictures/{token}", pictures.show_picture, anyone("pictures.show")),
    get("/v1/embed-refusals", embed_log.list_embed_refusals, admin("embed_refusals.read")),
    post("/v1/embed-token-inspections", embed_log.inspect_embed_token, admin("embed_tokens.inspect"), unrecorded=True),
    get("/internal/capabilities", plans.list_capabilities, person("me.read")),
    post("/internal/plan-effects", plans.plan_effects, service("plan_effects.read")),
    post("/internal/member-effects", foreseen.member_effects, service("member_effects.read")),
    post("/internal/group-effects", foreseen.group_effects, service("group_effects.read")),
    post("/internal/decisions", decisions.decide_many, service("access.evaluate")),
    post("/internal/access/v1/evaluations", decisions.evaluate_many_of, service("access.evaluate")),
    post("/internal/access/v1/search/resource", decisions.search_resources_of, service("access.evaluate")),
    post("/internal/access/v1/search/subject", decisions.search_subjects_of, service("access.evaluate")),
    post("/internal/access/v1/search/action", actions.search_actions_of, service("access.evaluate")),
)
