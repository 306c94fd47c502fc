"""Signing out by SAML, either way (Single Logout, Core §3.7, Profiles §4.4): requests and responses, ours and the provider's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree
from lxml.builder import ElementMaker

from services.identity.rules.saml.documents import ASSERTION, NAMESPACES, PROTOCOL, text_of
from services.identity.rules.saml.moments import read_moment, write_moment
from services.identity.rules.saml.redirects import Redirected
from services.identity.rules.saml.requests import ServiceProvider
from services.identity.rules.saml.responses import LONGEST_ID, LONGEST_NAME_ID, QUALIFIERS, SKEW, SUCCESS, subject_of
from services.identity.rules.sso import SamlSettings, StepFailed

LIFE = timedelta(minutes=5)
MOST_SESSIONS = 100

_protocol = ElementMaker(namespace=PROTOCOL, nsmap={"samlp": PROTOCOL, "saml": ASSERTION})
_assertion = ElementMaker(namespace=ASSERTION)


@dataclass(frozen=True)
class LeftThere:
    """Who signed out at the provider: a subject, with all of its sessions or with those named. `until` then nobody believes the same word any more."""

    message_id: str
    subject: str
    sessions: tuple[str, ...]
    until: datetime


def sign_out_request(
    us: ServiceProvider, request_id: str, place: str, hint: Mapping[str, str], session: str | None, now: datetime
) -> bytes:
    """Asks the provider to sign a person out, whom `hint` names as the provider did."""
    name = _assertion.NameID(hint["name"], **{one: hint[one] for one in QUALIFIERS if one in hint})
    return etree.tostring(
        _protocol.LogoutRequest(
            _assertion.Issuer(us.entity_id),
            name,
            *([_protocol.SessionIndex(session)] if session else []),
            ID=request_id,
            Version="2.0",
            IssueInstant=write_moment(now),
            NotOnOrAfter=write_moment(now + LIFE),
            Destination=place,
            Reason="urn:oasis:names:tc:SAML:2.0:logout:user",
        )
    )


def sign_out_response(us: ServiceProvider, response_id: str, place: str, answers: str, now: datetime) -> bytes:
    """Tells the provider that its request was carried out."""
    return etree.tostring(
        _protocol.LogoutResponse(
            _assertion.Issuer(us.entity_id),
            _protocol.Status(_protocol.StatusCode(Value=SUCCESS)),
            ID=response_id,
            Version="2.0",
            IssueInstant=write_moment(now),
            Destination=place,
            InResponseTo=answers,
        )
    )


def read_sign_out(carried: Redirected, us: ServiceProvider, provider: SamlSettings, now: datetime) -> LeftThere:
    """Judges a provider's LogoutRequest. StepFailed with the first thing that isn't right: document, signature, issuer, destination, expiry, subject."""
    root = carried.document
    if root.tag != f"{{{PROTOCOL}}}LogoutRequest":
        raise StepFailed("document", "it isn't a SAML 2.0 logout request")
    if not carried.is_signed:
        raise StepFailed("signature", "the logout request isn't signed")
    _check_envelope(root, us, provider)
    if root.get("Destination") is None:
        raise StepFailed("destination", "the logout request doesn't say for which address (SLO URL) it is")
    message_id = root.get("ID", "")
    if not 0 < len(message_id) <= LONGEST_ID:
        raise StepFailed("document", "the logout request has no id of at most 256 characters")
    if root.find("saml:EncryptedID", NAMESPACES) is not None or root.find("saml:BaseID", NAMESPACES) is not None:
        raise StepFailed("subject", "the logout request names nobody by a NameID that can be read")
    names = root.findall("saml:NameID", NAMESPACES)
    name = text_of(names[0]) if len(names) == 1 else ""
    if not 0 < len(name) <= LONGEST_NAME_ID or not name.isprintable():
        raise StepFailed("subject", "the logout request doesn't name one person by a NameID of at most 256 characters")
    sessions = tuple(text_of(one)[:LONGEST_ID] for one in root.findall("samlp:SessionIndex", NAMESPACES))
    if len(sessions) > MOST_SESSIONS:
        raise StepFailed("document", "the logout request names too many sessions")
    return LeftThere(message_id, subject_of(name), tuple(filter(None, sessions)), _believed_until(root, now))


def check_sign_out_response(carried: Redirected, us: ServiceProvider, provider: SamlSettings) -> None:
    """Whether the provider says that it has signed the person out. Nothing but words to them follows from it, so it needn't be signed."""
    root = carried.document
    if root.tag != f"{{{PROTOCOL}}}LogoutResponse":
        raise StepFailed("document", "it isn't a SAML 2.0 logout response")
    _check_envelope(root, us, provider)
    code = root.find("samlp:Status/samlp:StatusCode", NAMESPACES)
    if code is None or code.get("Value") != SUCCESS:
        raise StepFailed("provider", "the provider didn't sign the person out")


def _check_envelope(root: etree._Element, us: ServiceProvider, provider: SamlSettings) -> None:
    if root.get("Version") != "2.0":
        raise StepFailed("document", "it isn't SAML 2.0")
    issuers = root.findall("saml:Issuer", NAMESPACES)
    if len(issuers) != 1 or text_of(issuers[0]) != provider.entity_id:
        raise StepFailed("issuer", "it comes from another provider than the metadata names")
    if root.get("Destination") not in (None, us.slo_url):
        raise StepFailed("destination", "it is for another address (SLO URL) than this connection's")


def _believed_until(root: etree._Element, now: datetime) -> datetime:
    """A few minutes from when it was made, and no longer than it says itself: so long its id is remembered."""
    issued, end = _moment(root, "IssueInstant"), _moment(root, "NotOnOrAfter")
    if issued is None or issued > now + SKEW:
        raise StepFailed("expiry", "the logout request doesn't say when it was made, or was made in the future")
    until = min(issued + LIFE, end or issued + LIFE) + SKEW
    if until <= now:
        raise StepFailed("expiry", "the logout request took too long, or a clock is wrong")
    return until


def _moment(root: etree._Element, name: str) -> datetime | None:
    text = root.get(name)
    if text is None:
        return None
    try:
        return read_moment(text)
    except (ValueError, OverflowError):
        raise StepFailed("expiry", f"{name} isn't a time") from None
