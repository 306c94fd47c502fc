"""Tokens in links that are mailed or passed on: an HMAC over purpose, id and version (RFC 2104), so nothing secret is stored or travels in an event.

Who holds the row that the id names decides whether the link is still good: used, expired, or of an earlier version.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import quote

TOKEN = re.compile(r"tms_([a-z]{2,4})([0-9a-hjkmnp-tv-z]{26})([0-9]{1,6})-([A-Za-z0-9_-]{43})")
DASHBOARD_PLACE = "{dashboard_id}"


def link_token(key: bytes, purpose: str, subject_id: str, version: int) -> str:
    prefix, _, number = subject_id.partition("_")
    return f"tms_{prefix}{number}{version}-{_mac(key, purpose, subject_id, version)}"


def read_link_token(key: bytes, purpose: str, token: str) -> tuple[str, int] | None:
    """The id and version that a token was made for; None for anything forged, truncated or of another purpose."""
    match = TOKEN.fullmatch(token)
    if match is None:
        return None
    subject_id, version = f"{match[1]}_{match[2]}", int(match[3])
    if not hmac.compare_digest(match[4], _mac(key, purpose, subject_id, version)):
        return None
    return subject_id, version


def link_page(text: str) -> str:
    """The address of the analytics product's page for shared dashboards, with the place of the dashboard's id in it."""
    if not re.fullmatch(r"https?://[^\s/?#]+/[^\s?#]*", text) or text.count(DASHBOARD_PLACE) != 1:
        raise ValueError(
            f"must be an address without a query, with {DASHBOARD_PLACE} in its path, e.g. https://app.example.com/shared/{DASHBOARD_PLACE}"
        )
    return text


def link_address(page: str | None, dashboard_id: str, token: str | None) -> str | None:
    """Where a sharing link is opened: the product's page for a dashboard, with the link's token. None without either of them."""
    if page is None or token is None:
        return None
    return f"{page.replace(DASHBOARD_PLACE, quote(dashboard_id, safe=''))}?sharingToken={token}"


def _mac(key: bytes, purpose: str, subject_id: str, version: int) -> str:
    digest = hmac.digest(key, f"{purpose}\n{subject_id}\n{version}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
