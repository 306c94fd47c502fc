"""Taking in a SAML provider's metadata, from a file or an address."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field, StringConstraints

from services.identity.rules.saml.documents import MOST_BYTES, Unreadable
from services.identity.rules.saml.metadata import MOST_CERTIFICATES, ProviderMetadata, read_metadata
from services.identity.rules.sso import Connection, SamlSettings
from services.identity.usecases.opened import opened
from shared.errors import invalid
from shared.fields import Message
from shared.outbound import NotFetched
from shared.service import Ctx


class ImportSaml(Message):
    """Of a SAML provider: the address of its metadata (https, read once, now), or the document itself.

    With `keep_certificates` those that were known stay beside the new ones while they are valid: for the time of a change-over.
    `sign_requests`: whether our requests are signed; without it they are when the metadata wants it, or they were.
    """

    url: Annotated[str, StringConstraints(min_length=9, max_length=2048)] | None = None
    document: Annotated[str, Field(min_length=1, max_length=MOST_BYTES)] | None = None
    keep_certificates: bool = False
    sign_requests: bool | None = None


async def read_provider(ctx: Ctx, wanted: ImportSaml) -> ProviderMetadata:
    """What the provider says of itself; 422 with the reason when it can't be had or used."""
    if (wanted.url is None) == (wanted.document is None):
        raise invalid("/saml", "one_of", "give either the address or the document")
    if wanted.document is not None:
        where, content = "/saml/document", wanted.document.encode()
    else:
        where, content = "/saml/url", await _fetched(ctx, wanted.url or "")
    try:
        return await asyncio.to_thread(read_metadata, content, ctx.now)
    except Unreadable as why:
        raise invalid(where, "unusable", f"holds no usable metadata: {why}", reason=str(why)) from None


def settings_after(ctx: Ctx, before: Connection, wanted: ImportSaml, said: ProviderMetadata) -> SamlSettings:
    """The connection's settings after this import. What an Admin has chosen stays while the provider is the same."""
    known = before.saml if before.saml is not None and before.saml.entity_id == said.entity_id else None
    certificates = {one.fingerprint: one for one in said.certificates}
    if known is not None and wanted.keep_certificates:
        certificates |= {one.fingerprint: one for one in known.certificates if one.expires_at > ctx.now}
    if len(certificates) > MOST_CERTIFICATES:
        raise invalid(
            "/saml/keep_certificates",
            "too_many",
            f"would make more than {MOST_CERTIFICATES} certificates",
            limit=MOST_CERTIFICATES,
        )
    signs = said.wants_signed_requests or (known is not None and known.sign_requests)
    return SamlSettings(
        entity_id=said.entity_id,
        sso_url=said.sso_url,
        certificates=tuple(certificates.values()),
        allow_idp_initiated=known.allow_idp_initiated if known else False,
        encrypt_assertions=known.encrypt_assertions if known else False,
        sign_requests=signs if wanted.sign_requests is None else wanted.sign_requests,
        slo_url=said.slo_url,
        slo_response_url=said.slo_response_url,
    )


async def _fetched(ctx: Ctx, url: str) -> bytes:
    try:
        answer = await opened(ctx).providers.outbound.get(
            url, {"Accept": "application/samlmetadata+xml, application/xml"}
        )
    except NotFetched as why:
        raise invalid("/saml/url", "unreachable", f"can't be read: {why}", reason=str(why)) from None
    if answer.status != 200:
        raise invalid("/saml/url", "unreachable", f"answers with status {answer.status}", status=answer.status)
    return answer.body
