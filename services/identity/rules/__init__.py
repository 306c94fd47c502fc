"""What identity decides: how long things live, how often one may try, what a token proves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import pyotp

from services.identity.rules.sources import is_this_machine as is_this_machine
from services.identity.rules.sources import source_of as source_of

Kind = Literal["bearer", "cookie"]
Purpose = Literal["second_factor", "passkey", "registration", "enrolment", "linking"]
Language = Literal["en", "de"]
EmailChangeTemplate = Literal["email_change_asked", "email_changed"]

SIGNUP_LIFE = timedelta(hours=24)
RESET_LIFE = timedelta(minutes=30)
EMAIL_CHANGE_LIFE = timedelta(hours=24)
UNDO_LIFE = timedelta(days=7)
KNOWN_DEVICE_LIFE = timedelta(days=90)
BEARER_LIFE = timedelta(days=30)
COOKIE_LIFE = timedelta(hours=12)
COOKIE_IDLE = timedelta(hours=1)
CHALLENGE_LIFE = timedelta(minutes=10)
MAILED_CHALLENGE_LIFE = timedelta(minutes=30)
GRACE = timedelta(seconds=10)
TOUCHED_EVERY = timedelta(minutes=1)

# -- accounts and sessions, as they are stored


@dataclass(frozen=True)
class Account:
    user_id: str
    email: str
    canonical_email: str
    name: str
    password_hash: str
    last_org_id: str | None
    language: Language
    version: int


@dataclass(frozen=True)
class Signup:
    """An account that waits for its address to be confirmed."""

    canonical_email: str
    signup_id: str
    user_id: str
    email: str
    name: str
    company: str
    location: Literal["eu", "us"]
    product_mails: bool
    password_hash: str
    source_ip: str | None
    language: Language
    country: str | None
    expires_at: datetime


@dataclass(frozen=True)
class PasswordReset:
    """A reset that was asked for. Without `user_id` the address has no account, and nothing comes of it."""

    canonical_email: str
    reset_id: str
    user_id: str | None
    expires_at: datetime


@dataclass(frozen=True)
class EmailChange:
    """Until `ends_at` the new address may confirm; once it has, the old one may undo it until then."""

    change_id: str
    user_id: str
    old_email: str
    email: str
    canonical_email: str
    asked_at: datetime
    confirmed_at: datetime | None
    ends_at: datetime


@dataclass(frozen=True)
class Session:
    """`generation` counts the tokens given out so far: only the newest one works. `ends_at` is when it is over unless used before."""

    session_id: str
    user_id: str
    org_id: str | None
    kind: Kind
    root: bytes
    generation: int
    rotated_at: datetime
    amr: Sequence[str]
    authenticated_at: datetime
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ends_at: datetime
    source_ip: str | None
    user_agent: str | None

    def used(self, now: datetime) -> Session:
        return replace(self, last_used_at=now, ends_at=ends_at(self.kind, now, self.expires_at))

    def rotated(self, now: datetime) -> Session:
        return replace(self.used(now), generation=self.generation + 1, rotated_at=now)


@dataclass(frozen=True)
class Subject:
    """Whom a provider has shown, by which connection of which organization. `may_link`: it was shown whose account it is, too.

    `flow_id`: by which sign-in there, and so by which session of theirs at the provider.
    """

    org_id: str
    connection_id: str
    subject: str
    may_link: bool = False
    flow_id: str | None = None


@dataclass(frozen=True)
class Challenge:
    """A sign-in that waits for a second factor, or for a passkey of whomever; or a passkey that is being added.

    `org_id`: the organization that the sign-in is for, where it is for one. `connection_id` and what follows is there for who came by
    a provider; a challenge for `linking` waits for the person whose account the provider's subject is to stand for.
    """

    challenge_id: str
    user_id: str | None
    kind: Kind
    amr: Sequence[str]
    expires_at: datetime
    purpose: Purpose
    org_id: str | None = None
    connection_id: str | None = None
    subject: str | None = None
    may_link: bool = False
    confirmed_at: datetime | None = None
    flow_id: str | None = None

    @property
    def shown(self) -> Subject | None:
        """Whom the provider has shown, for who came by one."""
        if self.org_id is None or self.connection_id is None or self.subject is None:
            return None
        return Subject(self.org_id, self.connection_id, self.subject, self.may_link, self.flow_id)

    @property
    def linkable(self) -> Subject | None:
        """The same, once it was shown whose account it is."""
        return replace(self.shown, may_link=True) if self.shown is not None else None


@dataclass(frozen=True)
class Passkey:
    passkey_id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    added_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class AuthenticatorApp:
    """A person's TOTP secret, sealed. It counts once it is active."""

    user_id: str
    sealed: bytes
    last_step: int
    wrong_in_a_row: int
    begun_at: datetime
    active_since: datetime | None

    @property
    def is_frozen(self) -> bool:
        return self.wrong_in_a_row >= FREEZING


@dataclass(frozen=True)
class Invitation:
    """An invitation as org last told of it."""

    org_id: str
    invitation_id: str
    email: str
    status: Literal["open", "accepted", "revoked", "expired"]
    link_version: int
    expires_at: datetime

    def is_open(self, link_version: int, now: datetime) -> bool:
        return self.status == "open" and self.link_version == link_version and now < self.expires_at


def life_of(kind: Kind) -> timedelta:
    """A program holds its tokens; a browser may stand open on somebody's desk."""
    return BEARER_LIFE if kind == "bearer" else COOKIE_LIFE


def ends_at(kind: Kind, used_at: datetime, expires_at: datetime) -> datetime:
    return expires_at if kind == "bearer" else min(expires_at, used_at + COOKIE_IDLE)


# -- session tokens

TOKEN = re.compile(r"(trt|tcs)_([0-9a-hjkmnp-tv-z]{26})(0|[1-9][0-9]{0,8})-([A-Za-z0-9_-]{43})")
PREFIX: Mapping[Kind, str] = {"bearer": "trt", "cookie": "tcs"}


def derived_key(master: bytes, purpose: str) -> bytes:
    """One key per purpose, so that what is made for one can't be used for another."""
    return hmac.digest(master, f"tenantry identity {purpose}".encode(), hashlib.sha256)


def session_token(session: Session, key: bytes) -> str:
    """The token of a session's present generation: 256 bits that follow from the session's root and a key outside the database.

    It is made again whenever it is needed, so it is stored nowhere, and the same generation always has the same token.
    """
    mac = _mac(session.kind, session.session_id, session.generation, session.root, key)
    number = session.session_id.removeprefix("ses_")
    return f"{PREFIX[session.kind]}_{number}{session.generation}-{mac}"


@dataclass(frozen=True)
class Presented:
    """A token that looks like one of ours; whether it is, `is_genuine` tells."""

    kind: Kind
    session_id: str
    generation: int
    mac: str

    def is_genuine(self, session: Session, keys: Sequence[bytes]) -> bool:
        macs = [_mac(session.kind, session.session_id, self.generation, session.root, key) for key in keys]
        matches = [hmac.compare_digest(self.mac, mac) for mac in macs]
        return any(matches) and self.kind == session.kind and self.session_id == session.session_id


def read_session_token(token: str, kind: Kind) -> Presented | None:
    match = TOKEN.fullmatch(token)
    if match is None or match[1] != PREFIX[kind]:
        return None
    return Presented(kind, f"ses_{match[2]}", int(match[3]), match[4])


def standing_of(generation: int, session: Session, now: datetime) -> Literal["newest", "replaced", "reused"]:
    """What presenting a genuine token means.

    The one just replaced is good for a moment, because answers get lost and tabs race: it gets what its first use got.
    Any other that isn't the newest was copied (or the database was set back): somebody has tokens who shouldn't.
    """
    if generation == session.generation:
        return "newest"
    if generation == session.generation - 1 and now - session.rotated_at <= GRACE:
        return "replaced"
    return "reused"


def _mac(kind: Kind, session_id: str, generation: int, root: bytes, key: bytes) -> str:
    family = hmac.digest(key, root, hashlib.sha256)
    digest = hmac.digest(family, f"{kind}\n{session_id}\n{generation}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


# -- throttles


@dataclass(frozen=True)
class Limit:
    """So many attempts in a window; then a pause, either until the window is over or growing with every further attempt."""

    name: str
    attempts: int
    window: timedelta
    grows: bool = False


BY_ACCOUNT = Limit("account", 10, timedelta(minutes=15), grows=True)
BY_DEVICE = Limit("device", 10, timedelta(minutes=15), grows=True)
BY_SOURCE = Limit("source", 100, timedelta(hours=1))
SIGNUPS_BY_ADDRESS = Limit("signup address", 5, timedelta(hours=1))
SIGNUPS_BY_SOURCE = Limit("signup source", 60, timedelta(hours=1))
BY_INVITATION = Limit("invitation", 20, timedelta(hours=1))
BY_CHALLENGE = Limit("challenge", 5, CHALLENGE_LIFE)
BY_REMOVER = Limit("two-factor removal", 5, timedelta(minutes=15))
PASSKEYS_BY_SOURCE = Limit("passkey source", 300, timedelta(hours=1))
BY_SECOND_FACTOR = Limit("second factor", 10, timedelta(hours=1))
RESETS_BY_ADDRESS = Limit("reset address", 3, RESET_LIFE)  # as long as asking rests, a link is good
RESETS_BY_SOURCE = Limit("reset source", 60, timedelta(hours=1))
EMAIL_CHANGES_BY_PERSON = Limit("email change", 10, timedelta(hours=1))
EMAIL_CHANGES_BY_ADDRESS = Limit("email change address", 5, timedelta(hours=1))
BY_RESET = Limit("reset", 20, timedelta(hours=1))

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True)
class Budget:
    spent: int
    blocked_until: datetime | None
    forgotten_at: datetime

    def wait(self, now: datetime) -> timedelta:
        """How long until the next attempt."""
        return max(self.blocked_until - now, timedelta()) if self.blocked_until else timedelta()


def spend(budget: Budget | None, limit: Limit, now: datetime) -> Budget:
    """Counts an attempt before it is known how it ends. Only for a budget without `wait`."""
    if budget is None or now >= budget.forgotten_at:
        budget = Budget(0, None, now + limit.window)
    spent = budget.spent + 1
    if spent < limit.attempts:
        return replace(budget, spent=spent)
    if not limit.grows:
        return Budget(spent, budget.forgotten_at, budget.forgotten_at)
    pause = min(FIRST_PAUSE * 2 ** min(spent - limit.attempts, 10), LONGEST_PAUSE)
    return Budget(spent, now + pause, now + pause + REMEMBERED)


def take_back(budget: Budget, limit: Limit, now: datetime) -> Budget:
    """The attempt ended well. An account is then trusted anew; a source only gets that one attempt back."""
    if limit.grows:
        return Budget(0, None, now)
    spent = max(budget.spent - 1, 0)
    return Budget(spent, budget.blocked_until if spent >= limit.attempts else None, budget.forgotten_at)


# -- second factors

STEP_SECONDS = 30
FREEZING = 100
RECOVERY_CODES = 10
MOST_PASSKEYS = 20
RECOVERY_LETTERS = 16
ALIKE = str.maketrans("oil", "011")


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is (RFC 6238): the present one or, for who types slowly, the one before."""
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    newest = int(now.timestamp()) // STEP_SECONDS
    given = "".join(code.split()).encode()
    for step in (newest, newest - 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), given):
            return step
    return None


def with_factor(amr: Sequence[str], proof: str) -> tuple[str, ...]:
    """How a person has shown who they are (RFC 8176), with one more proof of another kind."""
    return tuple(dict.fromkeys((*amr, proof, "mfa")))


def challenge_token(challenge_id: str, key: bytes) -> str:
    """Who answers a challenge shows that the password was theirs: its id stands in addresses, and those end up in logs."""
    digest = hmac.digest(key, challenge_id.encode(), hashlib.sha256)
    return f"tch_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def passkey_nonce(challenge_id: str, key: bytes) -> bytes:
    """What a passkey signs. It follows from the challenge, which ends when it is answered."""
    return hmac.digest(key, f"passkey\n{challenge_id}".encode(), hashlib.sha256)


def recovery_digest(user_id: str, code: str, key: bytes) -> str:
    """What is kept of a recovery code, however it is typed: case, dashes and look-alikes make no difference."""
    letters = "".join(c for c in code.casefold() if c.isalnum()).translate(ALIKE)
    return hmac.new(key, f"{user_id}\n{letters}".encode(), hashlib.sha256).hexdigest()
