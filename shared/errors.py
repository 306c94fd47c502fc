"""What can go wrong, in the words of RFC 9457: one table of codes, one exception that carries one of them.

A code is stable across versions and has a page at `/problems/{code}`. The status belongs to the code,
so a use case raises `Problem("last_admin")` and never speaks HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One registered problem: its HTTP status, its title, and what a person does about it."""

    status: int
    title: str
    help: str


@dataclass(frozen=True)
class FieldError:
    """One fault in the input: a JSON pointer (RFC 6901) to it, a stable code, words for a person, and the facts in them (limits, names)."""

    pointer: str
    code: str
    detail: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"pointer": self.pointer, "code": self.code, "detail": self.detail}
        return told | {"meta": dict(self.meta)} if self.meta else told


KINDS: dict[str, Kind] = {
    "scim_refused": Kind(400, "This SCIM request can't be carried out", "Read scimType and detail (RFC 7644, 3.12)."),
    "malformed_request": Kind(
        400,
        "The request can't be read",
        "Send well-formed HTTP/1.1 with one length, and well-formed JSON without duplicate keys.",
    ),
    "request_timeout": Kind(
        408, "The request took too long to arrive", "Send headers within 10 seconds and the body within 30."
    ),
    "unauthenticated": Kind(401, "Sign in first", "Send a valid access token, console session or API key."),
    "invalid_credentials": Kind(401, "E-mail or password is wrong", "Check both, or reset the password."),
    "invalid_signature": Kind(
        400,
        "The signature doesn't fit",
        "Sign the exact bytes of the body, with the endpoint's secret, at the time of sending.",
    ),
    "sign_out_refused": Kind(
        400,
        "This sign-out can't be carried out",
        "Read the detail; a provider's word counts once, while it is fresh, with the provider's signature.",
    ),
    "invalid_code": Kind(
        401, "This code doesn't count", "Each code counts once: wait for the app's next one, and type that."
    ),
    "challenge_ended": Kind(401, "This sign-in can't be continued", "Begin again with POST /v1/auth/sessions."),
    "factor_frozen": Kind(
        401,
        "This second factor is frozen",
        "Use a recovery code or another factor, or ask an Admin of your organization to remove two-factor.",
    ),
    "insufficient_user_authentication": Kind(
        401, "A fresh proof is needed", "Answer POST /v1/auth/reauthentications, then repeat the request."
    ),
    "session_ended": Kind(401, "This session has ended", "Sign in again."),
    "link_refused": Kind(401, "This link doesn't open", "Ask whoever gave it to you for a new one."),
    "password_required": Kind(
        401,
        "This link has a password",
        "Send it to POST /v1/shared/{shared_dashboard_id}/unlocks, and come back with `unlock`.",
    ),
    "api_key_expired": Kind(401, "This API key's time is over", "Ask an Admin of the organization for another one."),
    "csrf": Kind(
        403,
        "This request didn't come from the console",
        "Send the X-CSRF-Token of GET /v1/me and a same-origin Origin header.",
    ),
    "forbidden": Kind(403, "Your role doesn't allow this", "Ask an Admin of your organization."),
    "plan_required": Kind(
        403,
        "Your plan doesn't include this",
        "See meta.plan for the smallest plan that does, and change to it under Billing.",
    ),
    "emergency_only": Kind(
        403,
        "This sign-in may change sign-in configuration only",
        "Repair or switch off single sign-on, then sign in as usual.",
    ),
    "two_factor_required": Kind(
        403,
        "This organization requires a second factor",
        "Set one up with POST /v1/me/totp or /v1/me/passkeys/options.",
    ),
    "account_of_another": Kind(
        403,
        "This person's account isn't your organization's",
        "Only an organization that opened the account, or that has proven its address's domain, may do this.",
    ),
    "invitation_of_another": Kind(
        403, "This invitation is for another address", "Sign in with the address that was invited."
    ),
    "not_found": Kind(404, "There is no such thing", "Check the address and the id."),
    "method_not_allowed": Kind(405, "This address doesn't take that method", "See the Allow header."),
    "conflict": Kind(409, "The state of things doesn't allow this", "Read the detail, and load the current state."),
    "idempotency_running": Kind(
        409, "The same request is still running", "Wait for Retry-After, then send it again with the same key."
    ),
    "sso_required": Kind(
        409,
        "People of this domain sign in at their organization's provider",
        "POST /v1/auth/discovery tells where; a password is no use there.",
    ),
    "sso_refused": Kind(
        403,
        "Your organization's provider knows you, but you can't come in",
        "See the detail, and ask an Admin of your organization.",
    ),
    "last_admin": Kind(409, "An organization keeps at least one active Admin", "Make somebody else an Admin first."),
    "fingerprint_mismatch": Kind(
        409,
        "The organization has changed since the preview",
        "Ask for a new preview, look at it, and confirm that one.",
    ),
    "slots_exhausted": Kind(409, "No slot is left", "Free a slot, or change to a plan with more."),
    "organization_closed": Kind(
        409, "The organization is closed", "An Admin takes it back with DELETE /v1/organization/closure."
    ),
    "suspended": Kind(
        409, "This is suspended by the plan", "Change to a plan that includes it; everything returns as it was."
    ),
    "built_in": Kind(409, "Built-in groups maintain themselves", "Create a group of your own."),
    "managed_by_provider": Kind(
        409,
        "Your identity provider manages this group",
        "Change it there, or let go of it with POST /v1/groups/{group_id}/detachment.",
    ),
    "name_taken": Kind(409, "That name is taken", "Choose another; names are compared regardless of case."),
    "already_exists": Kind(409, "That exists already", "Use the one that exists."),
    "by_contract": Kind(409, "This plan is agreed by contract", "Write to your contact, or to the operator."),
    "trial_used": Kind(409, "The trial was used already", "Choose a plan."),
    "gone": Kind(410, "This link is no longer valid", "Ask for a new one."),
    "precondition_failed": Kind(
        412, "Somebody changed this meanwhile", "Load it again, then repeat your change with the new ETag."
    ),
    "body_too_large": Kind(413, "The body is too large", "Send at most 1 MiB (CSV: 10 MiB)."),
    "url_too_long": Kind(414, "The address is too long", "Keep the URL within 8 KiB."),
    "unsupported_media_type": Kind(
        415, "This media type isn't understood here", "Send Content-Type: application/json."
    ),
    "expectation_failed": Kind(417, "That expectation can't be met", "Send no Expect header, or Expect: 100-continue."),
    "invalid": Kind(422, "Some of the input isn't valid", "See errors: each names the place and the reason."),
    "idempotency_key_reused": Kind(
        422, "This Idempotency-Key was used for another request", "Use a new key for a new request."
    ),
    "idempotency_key_required": Kind(
        422, "This request needs an Idempotency-Key", "Send a fresh random value in the Idempotency-Key header."
    ),
    "precondition_required": Kind(428, "Say which version you are changing", "Send the ETag you read in If-Match."),
    "second_factor_locked": Kind(
        429,
        "Too many wrong codes",
        "Wait for Retry-After: until then no code and no passkey of this person is looked at. meta.until is that moment.",
    ),
    "rate_limited": Kind(429, "Too many requests", "Wait for Retry-After."),
    "headers_too_large": Kind(431, "The headers are too large", "Send at most 16 KiB of headers."),
    "internal": Kind(500, "Something went wrong here", "Try again; tell the operator the request id if it stays."),
    "unavailable": Kind(503, "This part of the system is away", "Wait for Retry-After, then try again."),
    "overloaded": Kind(503, "Too busy right now", "Wait for Retry-After, then try again."),
    "auth_unavailable": Kind(503, "Who you are can't be proven right now", "Wait for Retry-After, then try again."),
    "not_yet_consistent": Kind(503, "Your change hasn't arrived here yet", "Wait for Retry-After, then read again."),
    "deadline_exceeded": Kind(504, "This took too long", "Try again."),
}


@dataclass(eq=False)
class Problem(Exception):
    """A refusal with a registered code. Raised, it rolls the transaction back; returned by a use case, it commits.

    `meta` holds facts for programs (limits, names, ids); its `because` is the detail's own stable code where one code has several details,
    so that others can say it in their language. `remedy` is what the reader can do, as short sentences.
    `retry_after` is in whole seconds.
    """

    code: str
    detail: str = ""
    errors: Sequence[FieldError] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    remedy: Sequence[str] = ()
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(f"{self.code}: {self.detail or self.kind.title}")

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def status(self) -> int:
        return self.kind.status

    def json(self, instance: str | None = None) -> dict[str, Any]:
        """The `application/problem+json` body; `instance` is the request's id."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail or self.kind.title,
            "code": self.code,
            "remedy": list(self.remedy) or [self.kind.help],
        }
        if instance:
            body["instance"] = instance
        if self.errors:
            body["errors"] = [error.json() for error in self.errors]
        if self.meta:
            body["meta"] = dict(self.meta)
        return body

    def all_headers(self) -> dict[str, str]:
        """Headers that belong to the refusal: `Retry-After` on 503 and 429, and what was added by hand."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        elif self.status in (429, 503):
            headers["Retry-After"] = "1"
        return headers


def invalid(pointer: str, code: str, detail: str, **facts: Any) -> Problem:
    """A 422 with one fault; `facts` are what its detail names."""
    return Problem("invalid", detail, errors=[FieldError(pointer, code, detail, facts)])
