"""Sign-ins at an identity provider that are under way. All of their state is in a cookie of the browser that began them.

What goes to the provider (state, nonce, PKCE verifier, the id of a SAML request) follows from the cookie's secret and a key, so an
answer counts in that browser only, and nothing is stored before it comes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

FLOW_LIFE = timedelta(minutes=10)
RESULT_LIFE = timedelta(minutes=5)
PROOF_LIFE = timedelta(minutes=5)
COOKIE = "__Host-sso"
RETURN_TO = re.compile(r"/(?:[A-Za-z0-9_~.-]+(?:/[A-Za-z0-9_~.-]+)*/?)?(?:\?[A-Za-z0-9_~.=&%-]*)?")
LONGEST_RETURN_TO = 500

FlowPurpose = Literal["sign_in", "verification", "proof"]


@dataclass(frozen=True)
class Flow:
    """What a browser went to the provider for. `user_id` and `session_id` are there for who had signed in before."""

    flow_id: str
    connection_id: str
    purpose: FlowPurpose
    begun_at: int
    return_to: str
    secret: str
    user_id: str | None = None
    session_id: str | None = None

    def is_over(self, now: datetime) -> bool:
        return now >= self.begun + FLOW_LIFE

    @property
    def begun(self) -> datetime:
        return datetime.fromtimestamp(self.begun_at, UTC)


def flow_cookie(flow: Flow, key: bytes) -> str:
    """The cookie's value."""
    payload = _letters(json.dumps(asdict(flow), separators=(",", ":")).encode())
    return f"{payload}.{_letters(hmac.digest(key, payload.encode(), hashlib.sha256))}"


def read_flow(cookie: str | None, keys: Sequence[bytes]) -> Flow | None:
    """The flow of a cookie that we made; None for any other."""
    payload, _, given = (cookie or "").partition(".")
    macs = [_letters(hmac.digest(key, payload.encode(), hashlib.sha256)) for key in keys]
    genuine = [hmac.compare_digest(mac.encode(), given.encode()) for mac in macs]
    if not any(genuine):
        return None
    return Flow(**json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def state_of(flow: Flow, key: bytes) -> str:
    return _derived(flow, "state", key)


def nonce_of(flow: Flow, key: bytes) -> str:
    return _derived(flow, "nonce", key)


def verifier_of(flow: Flow, key: bytes) -> str:
    """The code verifier (RFC 7636): 43 letters."""
    return _derived(flow, "verifier", key)


def saml_request_id_of(flow: Flow, key: bytes) -> str:
    """An id as XML wants it: it begins with a letter."""
    return f"rq{_derived(flow, 'saml request', key)}"


def session_digest(org_id: str, connection_id: str, session: str, key: bytes) -> bytes:
    """By what a provider's session is found again: what the provider calls it may be guessed, and is no business of who reads the table."""
    return hmac.digest(key, f"session\n{org_id}\n{connection_id}\n{session}".encode(), hashlib.sha256)


def is_return_to(path: str) -> bool:
    """Whether this is a path of ours, and can't be read as anything else."""
    plain = RETURN_TO.fullmatch(path) is not None and len(path) <= LONGEST_RETURN_TO
    return plain and not any(part in (".", "..") for part in path.partition("?")[0].split("/"))


def _derived(flow: Flow, what: str, key: bytes) -> str:
    text = f"{what}\n{flow.flow_id}\n{flow.connection_id}\n{flow.secret}"
    return _letters(hmac.digest(key, text.encode(), hashlib.sha256))


def _letters(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
