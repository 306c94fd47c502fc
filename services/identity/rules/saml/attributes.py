"""What a provider says of a person: the names under which Google Workspace, Okta, Entra ID and others send an address and a name."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES

CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
EMAIL = ("email", "mail", "emailaddress", f"{CLAIMS}emailaddress", "urn:oid:0.9.2342.19200300.100.1.3")
GIVEN = ("firstname", "givenname", f"{CLAIMS}givenname", "urn:oid:2.5.4.42")
FAMILY = ("lastname", "surname", "familyname", "sn", f"{CLAIMS}surname", "urn:oid:2.5.4.4")
DISPLAY = (
    "displayname",
    "name",
    "cn",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:oid:2.5.4.3",
    f"{CLAIMS}name",
)
MOST_SHOWN = 50
LONGEST_SHOWN = 1_000
LONGEST_NAME = 200


def attributes_of(assertion: etree._Element) -> dict[str, str]:
    """Each attribute's first value that is text, by its name. Of two with one name the first counts."""
    found: dict[str, str] = {}
    for attribute in assertion.findall("saml:AttributeStatement/saml:Attribute", NAMESPACES):
        values = [one for one in attribute.findall("saml:AttributeValue", NAMESPACES) if not len(one)]
        texts = [text for one in values if (text := (one.text or "").strip())]
        if texts:
            found.setdefault(attribute.get("Name", "").strip(), texts[0])
    return found


def email_among(attributes: Mapping[str, str]) -> str | None:
    return _first(attributes, EMAIL)


def name_among(attributes: Mapping[str, str]) -> str:
    """Given and family name, else the name that is displayed; blank when there is none. An address is no name."""
    parts = [part for part in (_first(attributes, GIVEN), _first(attributes, FAMILY)) if part]
    name = " ".join(parts) or _first(attributes, DISPLAY) or ""
    return "" if "@" in name else " ".join(name.split())[:LONGEST_NAME]


def names_of(attributes: Mapping[str, str]) -> str:
    """Which attributes came, without what they say of the person: enough to see that a name is spelled otherwise."""
    return ", ".join(list(attributes)[:MOST_SHOWN])[:LONGEST_SHOWN]


def _first(attributes: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    spelled = {_spelled(name): value for name, value in reversed(list(attributes.items()))}
    return next((spelled[name] for name in names if name in spelled), None)


def _spelled(name: str) -> str:
    """`First Name`, `first_name`, `user.firstName` and `firstname` are one name."""
    lower = name.lower()
    return lower if ":" in lower else lower.removeprefix("user.").translate({ord(c): None for c in " _-"})
