"""What an identity provider may ask before anything else (RFC 7644, 4): what is supported, which resources there are, and their schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict
from scim2_models import EnterpriseUser, Group, ResourceType, ScimProvider, User

from services.org.rules import scim
from services.org.usecases.scim_shapes import LIST, MOST_SHOWN, Resource
from shared.errors import Problem
from shared.fields import Message
from shared.service import Answer, Ctx
from shared.web.scim import BELOW, MEDIA


class Asked(Message):
    """Parameters are not looked at; a filter isn't refused, though the RFC would."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class WhichSchema(Asked):
    schema_id: str


class WhichResourceType(Asked):
    name: str


async def read_service_provider_config(ctx: Ctx, _: Asked) -> Resource:
    """What of SCIM is supported here."""
    body = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST_SHOWN},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Provisioning token",
                "description": "A token that an Admin made with POST /v1/scim-tokens.",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": _address(ctx, "ServiceProviderConfig")},
    }
    return Answer(body, {"Content-Type": MEDIA})


async def list_resource_types(ctx: Ctx, _: Asked) -> Resource:
    """The kinds of resources."""
    return _all(_resource_types(ctx))


async def read_resource_type(ctx: Ctx, which: WhichResourceType) -> Resource:
    """One kind of resource."""
    return _one(_resource_types(ctx), which.name)


async def list_schemas(ctx: Ctx, _: Asked) -> Resource:
    """What resources are made of."""
    return _all(_schemas(ctx))


async def read_schema(ctx: Ctx, which: WhichSchema) -> Resource:
    """One schema."""
    return _one(_schemas(ctx), which.schema_id)


def _provider() -> ScimProvider:
    kinds = [ResourceType.from_resource(scim.ProvisionedUser), ResourceType.from_resource(Group)]
    return ScimProvider(models=[User, EnterpriseUser, Group], resource_types=kinds)


def _resource_types(ctx: Ctx) -> list[dict[str, Any]]:
    return [_placed(ctx, one, "ResourceType") for one in _provider().resource_types]


def _schemas(ctx: Ctx) -> list[dict[str, Any]]:
    return [_placed(ctx, one, "Schema") for one in _provider().schemas]


def _placed(ctx: Ctx, resource: Any, kind: str) -> dict[str, Any]:
    body: dict[str, Any] = resource.model_dump()
    return {**body, "meta": {"resourceType": kind, "location": _address(ctx, f"{kind}s/{body['id']}")}}


def _address(ctx: Ctx, rest: str) -> str:
    return f"{ctx.env.settings.public_url.rstrip('/')}{BELOW}/{rest}"


def _all(found: Sequence[dict[str, Any]]) -> Resource:
    body = {
        "schemas": [LIST],
        "totalResults": len(found),
        "startIndex": 1,
        "itemsPerPage": len(found),
        "Resources": list(found),
    }
    return Answer(body, {"Content-Type": MEDIA})


def _one(found: Sequence[dict[str, Any]], id: str) -> Resource:
    for one in found:
        if one["id"] == id:
            return Answer(one, {"Content-Type": MEDIA})
    raise Problem("not_found", f"There is no {id}.")
