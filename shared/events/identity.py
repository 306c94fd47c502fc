"""What identity says: persons, their credentials and their sessions, ordered by person; and API keys, ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent, PersonEvent, Shape
from shared.events.identity_shapes import ApiKey as ApiKey
from shared.events.identity_sso import PUBLISHED_SSO
from shared.events.refusals import Refusal
from shared.ids import ApiKeyId, OrgId, ScimTokenId, SessionId


class Person(Shape):
    """Personal data: the address as the person wrote it, and the name."""

    email: str
    name: str


class Signup(Shape):
    """What the person said about the organization when signing up."""

    company: str
    location: Literal["eu", "us"]
    product_mails: bool = False
    terms_accepted: bool = True
    source_ip: str | None = None
    country: str | None = None


class UserRegistered(PersonEvent):
    """An account exists; its address is confirmed. `signup` is there when an organization is to be created for it.

    `language` is the one that the person wants to be written to in.
    """

    TYPE: ClassVar[str] = "identity.user.registered.v1"
    person: Person
    signup: Signup | None = None
    language: Literal["en", "de"] | None = None


class UserNameChanged(PersonEvent):
    """A person goes by another name."""

    TYPE: ClassVar[str] = "identity.user.name_changed.v1"
    person: Person
    previous_name: str


class UserLanguageChanged(PersonEvent):
    """A person wants to be written to in another language."""

    TYPE: ClassVar[str] = "identity.user.language_changed.v1"
    language: Literal["en", "de"]
    previous: Literal["en", "de"]


class UserEmailChanged(PersonEvent):
    """A person has another address, which they confirmed; or the one before again, from which the change was undone."""

    TYPE: ClassVar[str] = "identity.user.email_changed.v1"
    person: Person
    previous_email: str


class UserClosed(PersonEvent):
    """An account was closed for good; the person had left all their organizations before. Identity keeps nothing of them but the id."""

    TYPE: ClassVar[str] = "identity.user.closed.v1"


class PasswordChanged(PersonEvent):
    """A person has a new password; all other sessions ended, and after a reset all."""

    TYPE: ClassVar[str] = "identity.password.changed.v1"


class PasswordResetSent(PersonEvent):
    """An Admin had a person mailed the link for a new password; the old one counts until it is followed."""

    TYPE: ClassVar[str] = "identity.password.reset_sent.v1"
    org_id: OrgId


class SessionStarted(PersonEvent):
    """A person signed in."""

    TYPE: ClassVar[str] = "identity.session.started.v1"
    session_id: SessionId
    org_id: OrgId | None = None
    amr: list[str]
    source_ip: str | None = None
    user_agent: str | None = None


class SessionChanged(PersonEvent):
    """A session speaks for another organization, or its person has proven themselves anew: what was known of it is outdated.

    `reason`: `proven` anew, `switched` to this organization, or `entered` it by becoming a member; null in events before it was told.
    """

    TYPE: ClassVar[str] = "identity.session.changed.v1"
    session_id: SessionId
    org_id: OrgId | None = None
    authenticated_at: datetime
    reason: Literal["proven", "switched", "entered"] | None = None


class SessionEnded(PersonEvent):
    """One session is over; its tokens are refused from now on."""

    TYPE: ClassVar[str] = "identity.session.ended.v1"
    session_id: SessionId
    org_id: OrgId | None = None
    reason: Literal[
        "signed_out",
        "revoked",
        "expired",
        "token_reused",
        "member_deactivated",
        "organization_changed",
        "two_factor_required",
        "revoked_by_admin",
        "provider_signed_out",
    ]


class AllSessionsEnded(PersonEvent):
    """All sessions of a person are over, but for `except_session_id`."""

    TYPE: ClassVar[str] = "identity.session.all_ended.v1"
    reason: Literal[
        "password_changed", "signed_out_everywhere", "revoked_by_admin", "account_closed", "two_factor_removed"
    ]
    except_session_id: SessionId | None = None


class SessionsEndedInOrganization(PersonEvent):
    """An Admin ended a person's sessions in the organization, however many there were: what began before comes back to it only with a new proof."""

    TYPE: ClassVar[str] = "identity.session.ended_in_organization.v1"
    org_id: OrgId


class SignInFailed(PersonEvent):
    """Somebody failed to sign in to an existing account. `throttled` and `second_factor_locked`: by this failure, the next one isn't looked at for a while.

    `second_factor_frozen`: no code of the person's app is looked at any more, until a recovery code thaws it.
    """

    TYPE: ClassVar[str] = "identity.sign_in.failed.v1"
    reason: Literal["password", "throttled", "second_factor", "second_factor_locked", "second_factor_frozen"]
    source_ip: str | None = None


Factor = Literal["totp", "passkey"]


class TwoFactorEnabled(PersonEvent):
    """A person has one more second factor; `factors` are the kinds that they have now."""

    TYPE: ClassVar[str] = "identity.two_factor.enabled.v1"
    factor: Factor
    factors: list[Factor]


class TwoFactorRemoved(PersonEvent):
    """Second factors of a person are gone; `factors` are the kinds that they still have. `org_id` and `reason` are there when an Admin did it."""

    TYPE: ClassVar[str] = "identity.two_factor.removed.v1"
    removed: list[Factor]
    factors: list[Factor]
    org_id: OrgId | None = None
    reason: str | None = None


class PasskeyRenamed(PersonEvent):
    """A person calls one of their passkeys something else."""

    TYPE: ClassVar[str] = "identity.passkey.renamed.v1"
    passkey_id: str
    name: str
    previous: dict[str, str]


class RecoveryCodesRenewed(PersonEvent):
    """A person has a new set of recovery codes; no earlier one works any more."""

    TYPE: ClassVar[str] = "identity.recovery_codes.renewed.v1"


class RecoveryCodeUsed(PersonEvent):
    """A person signed in with a recovery code, which is used up."""

    TYPE: ClassVar[str] = "identity.recovery_code.used.v1"
    left: int
    source_ip: str | None = None


class ApiKeyCreated(OrgEvent):
    """The organization has a key by which a program may use the API in its name."""

    TYPE: ClassVar[str] = "identity.api_key.created.v1"
    key: ApiKey


class ApiKeyChanged(OrgEvent):
    """A key has another name, or is pinned to another version of the API; `previous` holds what was different."""

    TYPE: ClassVar[str] = "identity.api_key.changed.v1"
    key: ApiKey
    previous: dict[str, str]


class ApiKeyRotated(OrgEvent):
    """A key has a new token; the one before works until `both_until`."""

    TYPE: ClassVar[str] = "identity.api_key.rotated.v1"
    key: ApiKey
    both_until: datetime


class ApiKeyExpired(OrgEvent):
    """A key's time is over. It is still listed."""

    TYPE: ClassVar[str] = "identity.api_key.expired.v1"
    key: ApiKey


class ApiKeyRevoked(OrgEvent):
    """A key is gone: from now on it proves nothing."""

    TYPE: ClassVar[str] = "identity.api_key.revoked.v1"
    key: ApiKey


class ApiKeysSuspended(OrgEvent):
    """The plan no longer includes API keys, or the organization is closed: none is accepted until that has changed. One event for all of them."""

    TYPE: ClassVar[str] = "identity.api_key.suspended.v1"
    key_ids: list[ApiKeyId]
    cause: Literal["plan", "organization_closed"]
    plan: str
    suspended_at: datetime


class ApiKeysResumed(OrgEvent):
    """The plan includes API keys again, or the organization is open again: all of them work as before."""

    TYPE: ClassVar[str] = "identity.api_key.resumed.v1"
    key_ids: list[ApiKeyId]
    plan: str


class ScimTokenCreated(OrgEvent):
    """The organization's identity provider may create, change and deactivate its users and groups."""

    TYPE: ClassVar[str] = "identity.scim_token.created.v1"
    token_id: ScimTokenId
    name: str


class ScimTokenRevoked(OrgEvent):
    """A token of the identity provider is gone. What it provisioned stays."""

    TYPE: ClassVar[str] = "identity.scim_token.revoked.v1"
    token_id: ScimTokenId
    name: str


class ScimTokensSuspended(OrgEvent):
    """The organization is closed: no token of its identity provider is accepted until it is open again. One event for all of them."""

    TYPE: ClassVar[str] = "identity.scim_token.suspended.v1"
    token_ids: list[ScimTokenId]
    suspended_at: datetime


class ScimTokensResumed(OrgEvent):
    """The organization is open again: its identity provider's tokens work as before."""

    TYPE: ClassVar[str] = "identity.scim_token.resumed.v1"
    token_ids: list[ScimTokenId]


SCIM_TOKENS = (ScimTokenCreated, ScimTokenRevoked, ScimTokensSuspended, ScimTokensResumed)
API_KEYS = (
    ApiKeyCreated,
    ApiKeyChanged,
    ApiKeyRotated,
    ApiKeyExpired,
    ApiKeyRevoked,
    ApiKeysSuspended,
    ApiKeysResumed,
)


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left in identity. `rows` counts what was erased."""

    TYPE: ClassVar[str] = "identity.organization.erased.v1"
    rows: int


class ActionRefused(Refusal):
    """A member or a key wanted to change something that it may not; the first time within an hour, or all others of it together (`times`)."""

    TYPE: ClassVar[str] = "identity.action.refused.v1"


PUBLISHED = (
    OrganizationErased,
    ActionRefused,
    UserRegistered,
    UserNameChanged,
    UserLanguageChanged,
    UserEmailChanged,
    UserClosed,
    PasswordChanged,
    PasswordResetSent,
    SessionStarted,
    SessionChanged,
    SessionEnded,
    AllSessionsEnded,
    SessionsEndedInOrganization,
    SignInFailed,
    TwoFactorEnabled,
    TwoFactorRemoved,
    PasskeyRenamed,
    RecoveryCodesRenewed,
    RecoveryCodeUsed,
    *API_KEYS,
    *PUBLISHED_SSO,
    *SCIM_TOKENS,
)
