"""What SCIM endpoints share: their messages, pages, ETags and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field
from scim2_models import Group

from services.org.rules import scim
from services.org.store.scim import Linked
from shared.errors import Problem
from shared.fields import Message
from shared.service import Answer, Ctx
from shared.web.scim import BELOW, MEDIA

MOST_SHOWN = 200
USUALLY_SHOWN = 100
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

Resource = Answer[dict[str, Any]]


class Shown(Message):
    """Which attributes are answered (RFC 7644, 3.9). Other parameters are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attributes: str | None = Field(default=None, max_length=2000)
    excludedAttributes: str | None = Field(default=None, max_length=2000)


class Sent(Shown):
    """A SCIM document; its attributes are those of RFC 7643 and 7644."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def document(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Listing(Shown):
    """Places count from 1. `count` 0 asks how many there are. Sorting isn't supported, and not refused."""

    filter: str | None = Field(default=None, max_length=scim.LONGEST_FILTER)
    startIndex: int = 1
    count: int = USUALLY_SHOWN

    @property
    def offset(self) -> int:
        return min(max(self.startIndex, 1), 10_000_000) - 1

    @property
    def limit(self) -> int:
        return min(max(self.count, 0), MOST_SHOWN)


def page(query: Listing, total: int, resources: Sequence[Any]) -> Resource:
    """A list response (RFC 7644, 3.4.2)."""
    body = {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": query.offset + 1,
        "itemsPerPage": len(resources),
        "Resources": [scim.shown(one, query.attributes, query.excludedAttributes) for one in resources],
    }
    return Answer(body, {"Content-Type": MEDIA})


def answer(resource: Any, shown: Shown, status: int | None = None) -> Resource:
    """One resource with its ETag and address."""
    headers = {"Content-Type": MEDIA, "ETag": resource.meta.version, "Location": str(resource.meta.location)}
    return Answer(scim.shown(resource, shown.attributes, shown.excludedAttributes), headers, status)


def check_unchanged(ctx: Ctx, resource: Any) -> None:
    """412 unless `If-Match` (when sent) names this state of the resource."""
    wanted = ctx.request.if_match
    present = resource.meta.version
    known = [one.strip().removeprefix("W/") for one in (wanted or "").split(",")]
    if wanted not in (None, "*") and present.removeprefix("W/") not in known:
        raise Problem("precondition_failed", headers={"ETag": present})


def user_of(ctx: Ctx, linked: Linked, groups: Sequence[Any]) -> Any:
    """A user as the identity provider gets to see them; one of whom it has never spoken, as they are here."""
    member = linked.member
    described = linked.resource or {
        "displayName": member.name,
        "name": {"formatted": member.name},
        "emails": [{"value": member.email, "type": "work", "primary": True}],
    }
    values = {
        **described,
        "id": member.user_id,
        "userName": linked.user_name,
        "externalId": linked.external_id,
        "active": linked.active,
        "groups": [
            {"value": one.group_id, "display": one.name, "$ref": address(ctx, "Groups", one.group_id), "type": "direct"}
            for one in groups
            if one.origin == "scim"
        ],
    }
    changed_at = max(member.changed_at, linked.told_at or member.changed_at)
    return _stamped(ctx, scim.ProvisionedUser, "User", values, linked.linked_at or member.joined_at, changed_at)


def group_of(ctx: Ctx, group: Any, external_id: str | None, people: Sequence[tuple[str, str]]) -> Any:
    values = {
        "id": group.group_id,
        "externalId": external_id,
        "displayName": group.name,
        "members": [
            {"value": user_id, "display": name, "$ref": address(ctx, "Users", user_id), "type": "User"}
            for user_id, name in people
        ],
    }
    return _stamped(ctx, Group, "Group", values, group.created_at, group.changed_at)


def address(ctx: Ctx, kind: str, id: str) -> str:
    return f"{ctx.env.settings.public_url.rstrip('/')}{BELOW}/{kind}/{id}"


def _stamped(ctx: Ctx, model: Any, kind: str, values: dict[str, Any], created: Any, changed: Any) -> Any:
    kept = {name: value for name, value in values.items() if value is not None}
    meta = {
        "resourceType": kind,
        "created": created.isoformat(),
        "lastModified": changed.isoformat(),
        "location": address(ctx, f"{kind}s", values["id"]),
        "version": scim.etag_of(kept),
    }
    return scim.stored(model, {**kept, "meta": meta})
