"""One line per endpoint."""

from __future__ import annotations

from typing import Any

from services.org.rules import ACTIONS
from services.org.store import approvals, deleted_groups, domains, groups, invitations, legal, members, scim
from services.org.usecases import scim_discovery, scim_groups, scim_users
from services.org.usecases.acceptance import accept_invitation, request_renewal, show_invitation
from services.org.usecases.arrivals import approve_arrival, decline_arrival, list_approvals
from services.org.usecases.bulk import act_on_many
from services.org.usecases.closing import close_organization, preview_closure, read_closure, reopen_organization
from services.org.usecases.domains import claim_domain, list_domains, read_domain, remove_domain, verify_domain
from services.org.usecases.erasing import list_closures
from services.org.usecases.exporting import export_users
from services.org.usecases.groups import (
    add_group_member,
    change_group,
    create_group,
    delete_group,
    group_and_member_exist,
    list_group_members,
    list_groups,
    read_group,
    remove_group_member,
)
from services.org.usecases.importing import import_invitations
from services.org.usecases.invitations import (
    check_invitations,
    invite,
    invite_many,
    list_invitations,
    resend_invitation,
    revoke_invitation,
)
from services.org.usecases.leaving import leave_everywhere, preview_leaving
from services.org.usecases.legal import (
    accept_document,
    decide_dpa,
    list_acceptances,
    list_documents,
    read_acceptance,
    read_document,
    read_dpa,
    read_receipt,
    verify_acceptance,
)
from services.org.usecases.neighbours import list_capabilities, plan_effects, standing_of
from services.org.usecases.organization import change_organization, read_organization
from services.org.usecases.preferences import change_preferences, read_preferences, read_preset
from services.org.usecases.previews import preview_deletion, preview_departure, preview_role_and_groups
from services.org.usecases.product_mails import unsubscribe
from services.org.usecases.provisioning import (
    change_provisioning,
    decide_removals,
    detach_group,
    list_held_removals,
    preview_provisioning,
    read_provisioning,
)
from services.org.usecases.restoring import list_deleted_groups, restore_group
from services.org.usecases.scim_requests import list_provisioning_requests, note_request
from services.org.usecases.security_policy import change_security_policy, read_security_policy
from services.org.usecases.slots import list_slot_spells, read_slot_usage
from services.org.usecases.taking_along import export_organization
from services.org.usecases.user_filters import read_user_facets
from services.org.usecases.users import (
    change_role_and_groups,
    deactivate_user,
    list_users,
    reactivate_user,
    read_user,
    remove_user,
)
from shared.api_keys import PROVISIONING
from shared.service import Permission, anyone, delete, get, nobody, patch, person, post, put, service
from shared.web.scim import MEDIA

SCIM = nobody("scim.provision")
SHOWN: dict[str, Any] = {"media": MEDIA, "key": PROVISIONING, "noted": note_request}
SENT: dict[str, Any] = {**SHOWN, "query": ("attributes", "excludedAttributes"), "unrecorded": True}
SCIM_USER = "/scim/v2/Users/{user_id}"
SCIM_GROUP = "/scim/v2/Groups/{group_id}"


def may(action: str) -> Permission:
    return Permission(action, ACTIONS[action])


ROUTES = (
    get("/v1/organization", read_organization, may("organization.read"), key="organization:view"),
    patch("/v1/organization", change_organization, may("organization.manage"), if_match=True),
    get("/v1/organization/closure", read_closure, may("organization.read")),
    get("/v1/organization/closure-preview", preview_closure, may("organization.close")),
    post("/v1/organization/closure", close_organization, may("organization.close"), status=201, fresh=True),
    delete("/v1/organization/closure", reopen_organization, may("organization.close"), while_closed=True),
    post(
        "/v1/organization/exports",
        export_organization,
        may("organization.export"),
        status=202,
        fresh=True,
        while_closed=True,
    ),
    get("/v1/security-policy", read_security_policy, may("security_policy.read"), key="organization:view"),
    patch("/v1/security-policy", change_security_policy, may("security_policy.manage"), if_match=True, fresh=True),
    get("/v1/organization/preferences", read_preferences, may("preferences.read"), key="organization:view"),
    patch("/v1/organization/preferences", change_preferences, may("organization.manage"), if_match=True),
    get("/v1/organization/preferences/presets/{country}", read_preset, may("organization.read")),
    get("/v1/legal/documents", list_documents, may("legal.read")),
    get("/v1/legal/documents/{document_id}", read_document, anyone("legal.read_document")),
    get("/v1/legal/dpa", read_dpa, may("legal.read")),
    post("/v1/legal/dpa/decisions", decide_dpa, may("legal.accept"), status=201),
    get("/v1/legal/acceptances", list_acceptances, may("legal.read")),
    post("/v1/legal/acceptances", accept_document, may("legal.accept"), status=201),
    get("/v1/legal/acceptances/{acceptance_id}", read_acceptance, may("legal.read"), known_by=legal.exists),
    get(
        "/v1/legal/acceptances/{acceptance_id}/receipt",
        read_receipt,
        may("legal.read"),
        known_by=legal.exists,
        media="application/pdf",
    ),
    post(
        "/v1/legal/acceptances/{acceptance_id}/verifications",
        verify_acceptance,
        may("legal.read"),
        known_by=legal.exists,
    ),
    get("/v1/domains", list_domains, may("domains.read"), key="organization:view"),
    post("/v1/domains", claim_domain, may("domains.manage"), status=201),
    get("/v1/domains/{domain_id}", read_domain, may("domains.read"), known_by=domains.exists, key="organization:view"),
    delete("/v1/domains/{domain_id}", remove_domain, may("domains.remove"), known_by=domains.exists),
    post("/v1/domains/{domain_id}/verifications", verify_domain, may("domains.manage"), known_by=domains.exists),
    get("/v1/users", list_users, may("users.read"), key="users:view"),
    post("/v1/users/bulk-actions", act_on_many, may("users.manage"), needs_key=True),
    post("/v1/users/exports", export_users, may("users.read"), status=202),
    get("/v1/users/facets", read_user_facets, may("users.read"), key="users:view"),
    get("/v1/users/approvals", list_approvals, may("users.read")),
    post(
        "/v1/users/approvals/{user_id}/approval",
        approve_arrival,
        may("users.manage"),
        status=201,
        known_by=approvals.exists,
    ),
    delete("/v1/users/approvals/{user_id}", decline_arrival, may("users.manage"), known_by=approvals.exists),
    get("/v1/users/{user_id}", read_user, may("users.read"), known_by=members.exists, key="users:view"),
    put(
        "/v1/users/{user_id}/role-and-groups",
        change_role_and_groups,
        may("users.manage"),
        known_by=members.exists,
        if_match=True,
        key="users:manage",
    ),
    post(
        "/v1/users/{user_id}/role-and-groups-preview",
        preview_role_and_groups,
        may("users.manage"),
        known_by=members.exists,
    ),
    get("/v1/users/{user_id}/departure-preview", preview_departure, may("users.manage"), known_by=members.exists),
    post(
        "/v1/users/{user_id}/deactivation",
        deactivate_user,
        may("users.manage"),
        known_by=members.exists,
        key="users:manage",
    ),
    post(
        "/v1/users/{user_id}/reactivation",
        reactivate_user,
        may("users.manage"),
        known_by=members.exists,
        key="users:manage",
    ),
    delete("/v1/users/{user_id}", remove_user, may("users.manage"), known_by=members.exists, key="users:manage"),
    get("/v1/invitations", list_invitations, may("invitations.read"), key="users:view"),
    post("/v1/invitations", invite, may("invitations.manage"), status=201),
    post("/v1/invitations/checks", check_invitations, may("invitations.manage")),
    post("/v1/invitations/batches", invite_many, may("invitations.manage"), needs_key=True),
    post(
        "/v1/invitations/imports",
        import_invitations,
        may("invitations.manage"),
        status=202,
        needs_key=True,
        body_bytes=4 * 1024 * 1024,
    ),
    post(
        "/v1/invitations/{invitation_id}/resends",
        resend_invitation,
        may("invitations.manage"),
        known_by=invitations.exists,
    ),
    delete(
        "/v1/invitations/{invitation_id}", revoke_invitation, may("invitations.revoke"), known_by=invitations.exists
    ),
    get("/v1/invitation-tokens/{token}", show_invitation, anyone("invitations.show")),
    post(
        "/v1/invitation-tokens/{token}/renewal-request",
        request_renewal,
        anyone("invitations.request_renewal"),
        status=204,
    ),
    post("/v1/invitation-tokens/{token}/acceptance", accept_invitation, person("invitations.accept"), status=201),
    post(
        "/v1/mail-unsubscriptions/{token}",
        unsubscribe,
        anyone("mails.unsubscribe"),
        status=204,
        ignores_body=True,
    ),
    get("/v1/slot-ledger", list_slot_spells, may("organization.read"), key="organization:view"),
    get("/v1/slot-usage", read_slot_usage, may("organization.read"), key="organization:view"),
    get("/v1/groups", list_groups, may("groups.read"), key="groups:view"),
    post("/v1/groups", create_group, may("groups.manage"), status=201, key="groups:manage"),
    get("/v1/groups/{group_id}", read_group, may("groups.read"), known_by=groups.exists, key="groups:view"),
    patch("/v1/groups/{group_id}", change_group, may("groups.edit"), known_by=groups.exists, key="groups:manage"),
    delete("/v1/groups/{group_id}", delete_group, may("groups.edit"), known_by=groups.exists, key="groups:manage"),
    get("/v1/deleted-groups", list_deleted_groups, may("groups.edit")),
    post(
        "/v1/groups/{group_id}/restoration",
        restore_group,
        may("groups.manage"),
        known_by=deleted_groups.exists_or_did,
    ),
    get("/v1/groups/{group_id}/deletion-preview", preview_deletion, may("groups.edit"), known_by=groups.exists),
    get(
        "/v1/groups/{group_id}/members",
        list_group_members,
        may("groups.read_members"),
        known_by=groups.exists,
        key="groups:view",
    ),
    put(
        "/v1/groups/{group_id}/members/{user_id}",
        add_group_member,
        may("groups.manage"),
        status=204,
        known_by=group_and_member_exist,
        key="groups:manage",
    ),
    delete(
        "/v1/groups/{group_id}/members/{user_id}",
        remove_group_member,
        may("groups.edit"),
        known_by=group_and_member_exist,
        key="groups:manage",
    ),
    post("/v1/groups/{group_id}/detachment", detach_group, may("groups.edit"), known_by=groups.exists),
    get("/v1/provisioning", read_provisioning, may("provisioning.read")),
    patch("/v1/provisioning", change_provisioning, may("provisioning.manage"), if_match=True),
    get("/v1/provisioning/requests", list_provisioning_requests, may("provisioning.read")),
    get("/v1/provisioning/removals", list_held_removals, may("provisioning.read")),
    post("/v1/provisioning/removals/decisions", decide_removals, may("provisioning.manage")),
    post("/v1/provisioning/previews", preview_provisioning, may("provisioning.manage")),
    get("/scim/v2/ServiceProviderConfig", scim_discovery.read_service_provider_config, SCIM, **SHOWN),
    get("/scim/v2/ResourceTypes", scim_discovery.list_resource_types, SCIM, **SHOWN),
    get("/scim/v2/ResourceTypes/{name}", scim_discovery.read_resource_type, SCIM, **SHOWN),
    get("/scim/v2/Schemas", scim_discovery.list_schemas, SCIM, **SHOWN),
    get("/scim/v2/Schemas/{schema_id}", scim_discovery.read_schema, SCIM, **SHOWN),
    get("/scim/v2/Users", scim_users.list_scim_users, SCIM, **SHOWN),
    post("/scim/v2/Users", scim_users.create_scim_user, SCIM, status=201, **SENT),
    get(SCIM_USER, scim_users.read_scim_user, SCIM, known_by=scim.exists, **SHOWN),
    put(SCIM_USER, scim_users.replace_scim_user, SCIM, known_by=scim.exists, **SENT),
    patch(SCIM_USER, scim_users.patch_scim_user, SCIM, known_by=scim.exists, **SENT),
    delete(SCIM_USER, scim_users.delete_scim_user, SCIM, known_by=scim.exists, **SENT),
    get("/scim/v2/Groups", scim_groups.list_scim_groups, SCIM, **SHOWN),
    post("/scim/v2/Groups", scim_groups.create_scim_group, SCIM, status=201, **SENT),
    get(SCIM_GROUP, scim_groups.read_scim_group, SCIM, known_by=scim.group_exists, **SHOWN),
    put(SCIM_GROUP, scim_groups.replace_scim_group, SCIM, known_by=scim.group_exists, **SENT),
    patch(SCIM_GROUP, scim_groups.patch_scim_group, SCIM, known_by=scim.group_exists, **SENT),
    delete(SCIM_GROUP, scim_groups.delete_scim_group, SCIM, known_by=scim.group_exists, **SENT),
    get("/internal/standings/{user_id}", standing_of, service("standings.read")),
    get("/internal/departures/{user_id}", preview_leaving, service("departures.read")),
    post("/internal/departures/{user_id}", leave_everywhere, service("departures.begin"), status=204),
    post("/internal/plan-effects", plan_effects, service("plan_effects.read")),
    get("/internal/closures", list_closures, service("closures.read")),
    get("/internal/capabilities", list_capabilities, person("me.read")),
)
