"""What a provider answered: a response is read only after everything that SAML asks about it was found right (Core §2 and §3, Profiles §4.1.4.3)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from services.identity.rules.saml import attributes
from services.identity.rules.saml.documents import NAMESPACES, Unreadable, read_document, text_of
from services.identity.rules.saml.moments import read_moment
from services.identity.rules.saml.requests import ServiceProvider
from services.identity.rules.saml.signatures import check_shape, signed_parts
from services.identity.rules.sso import SamlSettings, Shown, StepFailed

SKEW = timedelta(seconds=60)
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
UNDERSTOOD = frozenset({"AudienceRestriction", "OneTimeUse", "ProxyRestriction"})
EMAIL = re.compile(r"[^@\s<>\"(),;:]+@[^@\s<>\"(),;:]+\.[^@\s<>\"(),;:]+")
LONGEST_NAME_ID = 256
LONGEST_ID = 256
LONGEST_LIFE = timedelta(days=1)
QUALIFIERS = ("Format", "NameQualifier", "SPNameQualifier", "SPProvidedID")
BEHIND_THE_SIGNATURE = frozenset(
    {"issuer", "destination", "subject", "request", "recipient", "expiry", "audience", "freshness"}
)
NEVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Accepted:
    """Who signed in, and what makes sure that it counts once: the assertion's id is remembered until it couldn't be accepted any more.

    `request_id` is of the request that it answers; None when the sign-in began at the provider. `context` is how the person showed who they are.
    """

    person: Shown
    assertion_id: str
    until: datetime
    request_id: str | None
    context: str | None


def read_response(
    posted: str,
    us: ServiceProvider,
    provider: SamlSettings,
    asked: Collection[str],
    now: datetime,
    fresh_since: datetime | None = None,
    key: rsa.RSAPrivateKey | None = None,
) -> Accepted:
    """Judges the `SAMLResponse` of a form. `asked`: the ids that this browser's request may have; empty when it asked nothing.

    `fresh_since`: the person must have shown who they are since then. `key`: ours, for an assertion that is encrypted. Raises `StepFailed` with the first thing that isn't right:
    document, encryption, provider, certificate, signature, issuer, destination, subject, request, recipient, expiry, audience, freshness.
    """
    root = _read(posted)
    check_shape(root)
    _check_status(root)
    response, assertion = signed_parts(root, provider.certificates, now, key)
    _check_response(response, us, provider)
    _check_version(assertion)
    if text_of(assertion.find("saml:Issuer", NAMESPACES)) != provider.entity_id:
        raise StepFailed(
            "issuer", "the assertion comes from another provider than the metadata names", "assertion_issuer"
        )
    issued = _issued(assertion, now)
    subject = _only(assertion, "saml:Subject", "subject", "the assertion names nobody", "no_person")
    element = _only(subject, "saml:NameID", "subject", "the assertion has no NameID", "no_name_id")
    name_id = _name_id(element)
    answers = _check_answers(response, subject, provider, asked)
    until = min(
        issued + LONGEST_LIFE, _confirmed_until(subject, us, answers, now), _conditions_until(assertion, us, now)
    )
    person = _person(assertion, element, name_id, now)
    if fresh_since is not None and (person.authenticated_at or LONG_AGO) < fresh_since - SKEW:
        raise StepFailed("freshness", "the provider didn't ask for a new proof", "not_asked_again")
    return Accepted(
        person=person,
        assertion_id=_assertion_id(assertion),
        until=until + SKEW,
        request_id=answers,
        context=text_of(assertion.find("saml:AuthnStatement/saml:AuthnContext/saml:AuthnContextClassRef", NAMESPACES))
        or None,
    )


def is_encrypted(posted: str) -> bool:
    """Whether our key will be needed; for what can't be read it won't."""
    try:
        return b"EncryptedAssertion" in _content(posted)
    except StepFailed:
        return False


def _content(posted: str) -> bytes:
    try:
        return base64.b64decode("".join(posted.split()), validate=True)
    except (ValueError, binascii.Error):
        raise StepFailed("document", "the answer isn't base64", "answer_base64") from None


def _read(posted: str) -> etree._Element:
    content = _content(posted)
    try:
        return read_document(content, remarks=False)
    except Unreadable as why:
        raise StepFailed("document", f"the response can't be read: {why}", "unreadable") from None


def _check_status(root: etree._Element) -> None:
    """What the provider refused itself is told before signatures are looked at: such answers often aren't signed, and admit nobody."""
    code = root.find("samlp:Status/samlp:StatusCode", NAMESPACES)
    if code is None:
        raise StepFailed("provider", "the response has no status", "no_status")
    if code.get("Value") != SUCCESS:
        inner = code.find("samlp:StatusCode", NAMESPACES)
        value = (inner if inner is not None else code).get("Value", "")
        said = text_of(root.find("samlp:Status/samlp:StatusMessage", NAMESPACES))[:200]
        status = value.rpartition(":")[2][:60]
        if said:
            raise StepFailed(
                "provider", f"the provider refused: {status} ({said})", "refused_saying", status=status, said=said
            )
        raise StepFailed("provider", f"the provider refused: {status}", "refused", status=status)


def _check_response(response: etree._Element, us: ServiceProvider, provider: SamlSettings) -> None:
    _check_version(response)
    issuers = response.findall("saml:Issuer", NAMESPACES)
    if any(text_of(issuer) != provider.entity_id for issuer in issuers):
        raise StepFailed(
            "issuer", "the response comes from another provider than the metadata names", "response_issuer"
        )
    destination = response.get("Destination")
    if destination is not None and destination != us.acs_url:
        raise StepFailed(
            "destination",
            "the response is for another address (ACS URL) than this connection's",
            "response_destination",
        )


def _check_version(element: etree._Element) -> None:
    if element.get("Version") != "2.0":
        raise StepFailed("document", "it isn't SAML 2.0", "not_saml")


def _issued(assertion: etree._Element, now: datetime) -> datetime:
    """When it was made. None is taken that is older than a day, however long it says it is valid: so long its id is remembered."""
    issued = _moment(assertion, "IssueInstant", LONG_AGO)
    if issued > now + SKEW:
        raise StepFailed(
            "expiry",
            "the assertion was made in the future: a clock is wrong, here or at the provider",
            "assertion_from_future",
        )
    if issued <= now - SKEW - LONGEST_LIFE:
        raise StepFailed("expiry", "the assertion was made more than a day ago, or doesn't say when", "assertion_old")
    return issued


def _name_id(element: etree._Element) -> str:
    name = text_of(element)
    if not name or len(name) > LONGEST_NAME_ID or not name.isprintable():
        raise StepFailed("subject", "the NameID is empty, or no plain text of at most 256 characters", "name_id")
    if element.get("Format") == TRANSIENT:
        raise StepFailed(
            "subject", "the NameID is another one each time (transient): send the e-mail address", "transient"
        )
    return name


def _check_answers(
    response: etree._Element, subject: etree._Element, provider: SamlSettings, asked: Collection[str]
) -> str | None:
    """The id of the request that this answers, or None when none was asked: then the connection must allow that."""
    data = subject.findall("saml:SubjectConfirmation/saml:SubjectConfirmationData", NAMESPACES)
    given = {value for element in (response, *data) if (value := element.get("InResponseTo")) is not None}
    if not given:
        if not provider.allow_idp_initiated:
            raise StepFailed(
                "request", "the sign-in began at the provider, which this connection doesn't allow", "begun_there"
            )
        return None
    request_id = given.pop()
    if given or request_id not in asked:
        raise StepFailed(
            "request",
            "the response answers no sign-in that this browser began, or one that took too long",
            "no_such_request",
        )
    return request_id


def _confirmed_until(subject: etree._Element, us: ServiceProvider, answers: str | None, now: datetime) -> datetime:
    """Until when a bearer may bring the assertion here. One confirmation that holds is enough."""
    failed = StepFailed("subject", "the assertion isn't for a browser to bring (no bearer confirmation)", "no_bearer")
    for confirmation in subject.findall("saml:SubjectConfirmation", NAMESPACES):
        data = confirmation.find("saml:SubjectConfirmationData", NAMESPACES)
        if confirmation.get("Method") != BEARER or data is None:
            continue
        try:
            if data.get("Recipient") != us.acs_url:
                raise StepFailed(
                    "recipient",
                    "the assertion is for another address (ACS URL) than this connection's",
                    "other_recipient",
                )
            if answers is not None and data.get("InResponseTo") != answers:
                raise StepFailed(
                    "request", "the assertion answers no sign-in that this browser began", "no_such_request"
                )
            return _window(data, now)
        except StepFailed as refused:
            failed = refused
    raise failed


def _conditions_until(assertion: etree._Element, us: ServiceProvider, now: datetime) -> datetime:
    conditions = _only(
        assertion, "saml:Conditions", "audience", "the assertion says nothing about for whom it is", "no_audience"
    )
    if any(etree.QName(condition).localname not in UNDERSTOOD for condition in conditions):
        raise StepFailed("audience", "the assertion sets a condition that isn't understood", "odd_condition")
    restrictions = conditions.findall("saml:AudienceRestriction", NAMESPACES)
    if not restrictions:
        raise StepFailed("audience", "the assertion says nothing about for whom it is", "no_audience")
    for restriction in restrictions:
        if us.entity_id not in map(text_of, restriction.findall("saml:Audience", NAMESPACES)):
            raise StepFailed(
                "audience", "the assertion is for another audience (entity ID) than this connection's", "other_audience"
            )
    return _window(conditions, now)


def _window(element: etree._Element, now: datetime) -> datetime:
    """Checks NotBefore and NotOnOrAfter, and returns the latter; an assertion that never ends is none."""
    end = _moment(element, "NotOnOrAfter", NEVER)
    if end == NEVER:
        raise StepFailed("expiry", "the assertion doesn't say until when it is valid", "no_end")
    if now - SKEW >= end:
        raise StepFailed(
            "expiry",
            f"the assertion expired at {end:%H:%M:%S} UTC: it took too long, or a clock is wrong",
            "assertion_expired",
            time=f"{end:%H:%M:%S} UTC",
        )
    if _moment(element, "NotBefore", now) > now + SKEW:
        raise StepFailed(
            "expiry", "the assertion isn't valid yet: a clock is wrong, here or at the provider", "assertion_not_yet"
        )
    return end


def _person(assertion: etree._Element, element: etree._Element, name_id: str, now: datetime) -> Shown:
    statements = assertion.findall("saml:AuthnStatement", NAMESPACES)
    if not statements:
        raise StepFailed(
            "subject", "the assertion doesn't say that anybody signed in (no AuthnStatement)", "no_statement"
        )
    if any(now - SKEW >= _moment(one, "SessionNotOnOrAfter", now) for one in statements):
        raise StepFailed("expiry", "the person's session at the provider is over", "session_over")
    said = attributes.attributes_of(assertion)
    is_email = EMAIL.fullmatch(name_id) is not None
    return Shown(
        subject=subject_of(name_id),
        email=name_id if is_email else attributes.email_among(said),
        name=attributes.name_among(said),
        authenticated_at=max(_moment(one, "AuthnInstant", LONG_AGO) for one in statements),
        claims={"attributes": attributes.names_of(said)},
        session=next(filter(None, (one.get("SessionIndex", "")[:LONGEST_ID] for one in statements)), None),
        hint={"name": name_id, **{name: value for name in QUALIFIERS if (value := element.get(name))}},
    )


def subject_of(name_id: str) -> str:
    """By what a person is known here: a NameID, whose letters' case says nothing where it is an address."""
    return name_id.lower() if EMAIL.fullmatch(name_id) else name_id


def _assertion_id(assertion: etree._Element) -> str:
    found = assertion.get("ID", "")
    if not found or len(found) > LONGEST_ID:
        raise StepFailed("document", "the assertion has no id of at most 256 characters", "assertion_id")
    return found


def _only(parent: etree._Element, path: str, step: str, otherwise: str, code: str) -> etree._Element:
    found = parent.findall(path, NAMESPACES)
    if not found:
        raise StepFailed(step, otherwise, code)
    if len(found) > 1:
        raise StepFailed(step, "the assertion holds something twice that may be there once", "twice_here")
    return found[0]


def _moment(element: etree._Element, name: str, otherwise: datetime) -> datetime:
    text = element.get(name)
    if text is None:
        return otherwise
    try:
        return read_moment(text)
    except (ValueError, OverflowError):
        raise StepFailed("expiry", f"{name} isn't a time", "not_a_time", name=name) from None
