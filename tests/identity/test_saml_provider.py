"""Our side of SAML against a provider that we didn't write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.identity.rules.saml.metadata import POST, REDIRECT, ProviderMetadata, read_metadata
from services.identity.rules.saml.redirects import address_with, read_redirect
from services.identity.rules.saml.requests import SignInRequest, redirect_url
from services.identity.rules.saml.responses import read_response
from services.identity.rules.saml.sign_outs import (
    check_sign_out_response,
    read_sign_out,
    sign_out_request,
    sign_out_response,
)
from services.identity.rules.sso import SamlSettings, StepFailed
from tests.identity.saml_documents import US, Signer, rsa_signer, signer_at
from tests.identity.saml_provider import ISSUER, SamlProvider, saml_provider

EMAIL = "ana@northwind.test"


def now() -> datetime:
    return datetime.now(UTC)


def asked(provider: SamlProvider) -> SignInRequest:
    return SignInRequest("rq4711", "https://idp.test/sso", now())


def settings_of(metadata: ProviderMetadata) -> SamlSettings:
    return SamlSettings(metadata.entity_id, metadata.sso_url, metadata.certificates, slo_url=metadata.slo_url)


@pytest.fixture(scope="module")
def ours() -> Signer:
    return rsa_signer("ours")


@pytest.fixture(scope="module")
def signer() -> Signer:
    return signer_at(now())


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


async def test_it_signs_out_whom_we_ask_for_and_we_whom_it_does(signer: Signer, ours: Signer) -> None:
    key = ours.key
    assert isinstance(key, rsa.RSAPrivateKey)
    with saml_provider(signer, US.entity_id, US.acs_url, ours.pem, US.slo_url) as provider:
        settings = settings_of(read_metadata(await provider.metadata(), now()))
        assert settings.slo_url == "https://idp.test/slo"
        form = await provider.sign_in(redirect_url(US, asked(provider), key=key), EMAIL, session="_s7")
        person = read_response(form.fields["SAMLResponse"], US, settings, ["rq4711"], now()).person
        assert person.session == "_s7"

        wanted = sign_out_request(US, "so1", settings.slo_url, person.hint, person.session, now())
        there = address_with(settings.slo_url, "SAMLRequest", wanted, "state", key)
        back = urlsplit(await provider.sign_out(there, EMAIL, "_s7"))
        answer = read_redirect(back.query, settings.certificates, now())
        check_sign_out_response(answer, US, settings)
        assert (answer.name, answer.relay_state, answer.is_signed) == ("SAMLResponse", "state", True)
        assert answer.document.get("InResponseTo") == "so1"
        foreign = address_with(settings.slo_url, "SAMLRequest", wanted, "state", rsa_signer("a stranger's").key)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="the provider refuses"):
            await provider.sign_out(foreign, EMAIL, "_s7")

        begun = urlsplit(await provider.sign_out(settings.slo_url, EMAIL, "_s7"))
        assert f"{begun.scheme}://{begun.netloc}{begun.path}" == US.slo_url
        carried = read_redirect(begun.query, settings.certificates, now())
        told = read_sign_out(carried, US, settings, now())
        assert (told.subject, told.sessions) == (EMAIL, ("_s7",))
        done = sign_out_response(US, "so2", settings.slo_url, told.message_id, now())
        ends = address_with(settings.slo_url, "SAMLResponse", done, carried.relay_state, key)
        assert await provider.sign_out(ends, EMAIL, "_s7") == "OK"


@pytest.mark.parametrize("how", [{"algorithm": "rsa-sha1"}, {"digest": "sha1"}])
async def test_its_sha_1_is_refused(provider: SamlProvider, how: dict[str, str]) -> None:
    settings = settings_of(read_metadata(await provider.metadata(), now()))
    form = await provider.sign_in(redirect_url(US, asked(provider)), EMAIL, **how)
    with pytest.raises(StepFailed, match=r"signature: the (signature|digest) algorithm isn't accepted"):
        read_response(form.fields["SAMLResponse"], US, settings, ["rq4711"], now())
