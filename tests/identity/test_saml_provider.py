"""Our side of SAML against a provider that we didn't write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.identity.rules.saml.metadata import POST, REDIRECT, ProviderMetadata, read_metadata
from services.identity.rules.saml.requests import SignInRequest, redirect_url
from services.identity.rules.saml.responses import read_response
from services.identity.rules.sso import SamlSettings, StepFailed
from tests.identity.saml_documents import US, Signer, rsa_signer
from tests.identity.saml_provider import ISSUER, SamlProvider, saml_provider

EMAIL = "ana@northwind.test"


def now() -> datetime:
    return datetime.now(UTC)


def asked(provider: SamlProvider) -> SignInRequest:
    return SignInRequest("rq4711", "https://idp.test/sso", now())


def settings_of(metadata: ProviderMetadata) -> SamlSettings:
    return SamlSettings(metadata.entity_id, metadata.sso_url, metadata.certificates)


@pytest.fixture(scope="module")
def ours() -> Signer:
    return rsa_signer("ours")


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.make(rsa_signer().key, now() - timedelta(days=1), now() + timedelta(days=300))


@pytest.fixture(scope="module")
def provider(signer: Signer) -> Iterator[SamlProvider]:
    with saml_provider(signer, US.entity_id, US.acs_url) as running:
        yield running


async def test_its_metadata_is_read(provider: SamlProvider) -> None:
    metadata = read_metadata(await provider.metadata(), now())
    assert metadata.entity_id == ISSUER
    assert metadata.sso_urls == {REDIRECT: "https://idp.test/sso", POST: "https://idp.test/sso"}
    assert [one.subject for one in metadata.certificates] == ["CN=idp.test"]
    assert not metadata.wants_signed_requests


@pytest.mark.parametrize("sign", ["assertion", "response", "both"])
async def test_it_understands_what_we_ask_and_we_what_it_answers(provider: SamlProvider, sign: str) -> None:
    settings = settings_of(read_metadata(await provider.metadata(), now()))
    form = await provider.sign_in(redirect_url(US, asked(provider), "tok_1"), EMAIL, sign=sign)
    assert form.action == US.acs_url
    assert form.fields["RelayState"] == "tok_1"
    accepted = read_response(form.fields["SAMLResponse"], US, settings, ["rq4711"], now())
    assert (accepted.person.subject, accepted.person.email, accepted.person.name) == (EMAIL, EMAIL, "Ana Ruiz")
    assert accepted.request_id == "rq4711"
    assert accepted.context == "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


async def test_a_sign_in_that_begins_there_works_where_it_is_allowed(provider: SamlProvider) -> None:
    metadata = read_metadata(await provider.metadata(), now())
    form = await provider.begin(EMAIL)
    posted = form.fields["SAMLResponse"]
    accepted = read_response(posted, US, replace(settings_of(metadata), allow_idp_initiated=True), [], now())
    assert (accepted.person.email, accepted.request_id) == (EMAIL, None)
    with pytest.raises(StepFailed, match="request"):
        read_response(posted, US, settings_of(metadata), [], now())


async def test_it_accepts_our_signature_and_no_other(signer: Signer, ours: Signer) -> None:
    key, foreign = ours.key, rsa_signer("a stranger's").key
    with saml_provider(signer, US.entity_id, US.acs_url, ours.pem) as strict:
        form = await strict.sign_in(redirect_url(US, asked(strict), "tok_1", key), EMAIL)  # type: ignore[arg-type]
        assert form.fields["RelayState"] == "tok_1"
        with pytest.raises(AssertionError, match="the provider refuses"):
            await strict.sign_in(redirect_url(US, asked(strict), "tok_1", foreign), EMAIL)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{"algorithm": "rsa-sha1"}, {"digest": "sha1"}])
async def test_its_sha_1_is_refused(provider: SamlProvider, how: dict[str, str]) -> None:
    settings = settings_of(read_metadata(await provider.metadata(), now()))
    form = await provider.sign_in(redirect_url(US, asked(provider)), EMAIL, **how)
    with pytest.raises(StepFailed, match=r"signature: the (signature|digest) algorithm isn't accepted"):
        read_response(form.fields["SAMLResponse"], US, settings, ["rq4711"], now())
