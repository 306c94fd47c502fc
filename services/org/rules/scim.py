"""SCIM resources (RFC 7643) as pure values: read, patched in the dialects of Okta and Entra ID, filtered and shown. The library does the work."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from scim2_models import (
    Context,
    EnterpriseUser,
    Error,
    Group,
    PatchOp,
    Resource,
    ResponseParameters,
    SCIMException,
    ScimFilter,
    ScimPolicy,
    User,
)

from shared.errors import Problem

ProvisionedUser = User[EnterpriseUser]
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
OURS = ("id", "meta", "groups", "schemas", "password")
MOST_OPERATIONS = 1000
LONGEST_FILTER = 2000
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)

LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
ALTERNATIVES = re.compile(r"\b(or|not)\b", re.IGNORECASE)
COMPARED = re.compile(r'([\w$.:]+)\s+(?:eq|co|sw|ew)\s+"([\x20\x21\x23-\x5b\x5d-\x7e]+)"', re.IGNORECASE)
NOT_IN_TEXT = frozenset({"id", "type", "groups", "meta", "schemas", "display", "$ref"})

R = TypeVar("R", bound="Resource[Any]")
T = TypeVar("T")


def refused(scim_type: str, detail: str, because: str | None = None, **facts: object) -> Problem:
    return Problem("scim_refused", detail, meta={"scim_type": scim_type, "because": because or scim_type, **facts})


def name_taken(user_name: str) -> Problem:
    meta = {"because": "user_name", "user_name": user_name}
    return Problem("already_exists", f"{user_name} is another user's userName.", meta=meta)


def read(model: type[R], body: Mapping[str, Any], context: Context) -> R:
    """A resource as it was sent."""
    schema = str(model.__schema__)
    filled = {"schemas": [schema], **body}
    return _carefully(lambda: model.model_validate(filled, scim_ctx=context, scim_policy=POLICY))


def stored(model: type[R], values: Mapping[str, Any]) -> R:
    """A resource from what is kept of it."""
    return model.model_validate({"schemas": [str(model.__schema__)], **values}, scim_policy=POLICY)


def kept_of(resource: Resource[Any]) -> dict[str, Any]:
    """What is kept of a resource: not what we say ourselves, and never a password."""
    dumped = resource.model_dump(scim_policy=POLICY)
    return {name: value for name, value in dumped.items() if name not in OURS and name not in ("active", "members")}


def patched(resource: R, body: Mapping[str, Any]) -> R:
    """The resource as a PATCH wants it; the given one stays as it is."""
    model: Any = type(resource)
    operations = _named(body, "operations")
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST_OPERATIONS:
        raise refused(
            "invalidSyntax",
            f"Operations must be a list of 1 to {MOST_OPERATIONS} operations.",
            "operations",
            most=MOST_OPERATIONS,
        )
    message = {"schemas": [PATCH], "Operations": [_plain(one) for one in operations]}
    copy = resource.model_copy(deep=True)

    def apply() -> R:
        patch = PatchOp[model].model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)
        patch.patch(copy, scim_policy=POLICY)
        return copy

    return _carefully(apply)


def wanted_by(model: type[R], written: str) -> Callable[[R], bool]:
    """Whether a resource fits a filter; `invalidFilter` for what is none."""
    if len(written) > LONGEST_FILTER:
        raise refused(
            "invalidFilter", f"A filter has at most {LONGEST_FILTER} letters.", "filter_too_long", most=LONGEST_FILTER
        )
    kind: Any = model
    wanted = _carefully(lambda: ScimFilter[kind](written))
    return lambda resource: bool(_carefully(lambda: wanted.match(resource)))


def looked_up(written: str) -> tuple[str, str] | None:
    """The attribute and the value of a filter that asks for one resource: `userName eq "x"`. What it means is `wanted_by`'s to say."""
    attribute, _, rest = written.strip().partition(" ")
    operator, _, value = rest.strip().partition(" ")
    value = value.strip()
    if (
        operator.lower() != "eq"
        or len(value) < 2
        or value[0] != '"'
        or value.find('"', 1) != len(value) - 1
        or "\\" in value
    ):
        return None
    return attribute.lower(), value[1:-1]


def needle(written: str) -> str | None:
    """A text in lower case that whoever fits the filter must hold somewhere; None when the filter says nothing of the kind."""
    if ALTERNATIVES.search(LITERAL.sub('""', written)):
        return None
    found = [
        value.lower()
        for attribute, value in COMPARED.findall(written)
        if not NOT_IN_TEXT & set(re.split(r"[.:]", attribute.lower())[-2:])
    ]
    return max(found, key=len, default=None)


def shown(resource: Resource[Any], attributes: str | None = None, excluded: str | None = None) -> dict[str, Any]:
    """A resource as it is answered, with the attributes that were asked for."""
    asked = {"attributes": attributes or None, "excludedAttributes": excluded or None}
    kind: Any = type(resource)

    def dump() -> dict[str, Any]:
        parameters = ResponseParameters[kind].model_validate({n: v for n, v in asked.items() if v})
        return resource.model_dump(
            scim_ctx=Context.RESOURCE_QUERY_RESPONSE,
            scim_policy=POLICY,
            response_parameters=parameters if any(asked.values()) else None,
        )

    return _carefully(dump)


def etag_of(body: Mapping[str, Any]) -> str:
    """A weak ETag of the whole resource, whatever part of it is shown."""
    told = json.dumps({name: value for name, value in body.items() if name != "meta"}, sort_keys=True)
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:20]}"'


def member_ids(group: Group) -> list[str]:
    """Whom a group names, each once."""
    for one in group.members or ():
        if one.type is not None and one.type.lower() != "user":
            raise refused("invalidValue", "members: only users can be in a group.", "only_users")
    return list(dict.fromkeys(one.value for one in group.members or () if one.value))


def _plain(operation: Any) -> Any:
    """An operation without what no provider means by it: our own attributes in a value without path; a manager given by id alone."""
    if not isinstance(operation, dict):
        return operation
    plain = {name.lower(): value for name, value in operation.items()}
    value, path = plain.get("value"), str(plain.get("path") or "")
    if not path and isinstance(value, dict):
        plain["value"] = {name: inner for name, inner in value.items() if name.lower() not in OURS}
        for name in [
            n for n in plain["value"] if n.lower().endswith(":manager") and isinstance(plain["value"][n], str)
        ]:
            plain["value"][name] = {"value": plain["value"][name]}
    if path.lower().endswith((":manager", ":user.manager")) and isinstance(value, str):
        plain["value"] = {"value": value}
    return plain


def _named(body: Mapping[str, Any], name: str) -> Any:
    return next((value for known, value in body.items() if known.lower() == name), None)


def _of_a_value(wrong: ValidationError) -> Problem:
    error = Error.from_validation_error(wrong.errors()[0])
    return refused(error.scim_type or "invalidValue", error.detail or "This isn't valid.")


def _carefully(act: Callable[[], T]) -> T:
    """What the library refuses, in its words."""
    try:
        return act()
    except SCIMException as why:
        if isinstance(why.__cause__, ValidationError):  # its own words are for who writes Python
            raise _of_a_value(why.__cause__) from None
        raise refused(why.scim_type or "invalidValue", why.detail) from None
    except ValidationError as wrong:
        raise _of_a_value(wrong) from None
    except (RecursionError, TypeError, ValueError, AttributeError):
        raise refused("invalidSyntax", "This can't be read.") from None
