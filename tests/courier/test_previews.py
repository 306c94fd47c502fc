"""Every mail has a preview in every language, so that none is sent that nobody has read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from services.courier.app import service as courier
from services.courier.rules import url_of
from services.courier.usecases.previews import previews
from services.courier.usecases.rendering import TEMPLATES, TIMES, Wording
from shared.auth import Actor
from tests.contracts.source import ROOT
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases, world_of

PUBLIC = "https://admin.example.com"


def test_every_mail_that_is_asked_for_has_a_preview_in_every_language() -> None:
    asked = set()
    for file in (ROOT / "services").glob("*/usecases/*.py"):
        asked |= set(re.findall(r'template="(\w+)"', file.read_text()))
    found = {(preview.template, preview.language) for preview in previews(PUBLIC)}
    templates = {template for template, _ in found}
    assert found == {(template, language) for template in templates for language in TIMES}
    assert asked <= templates
    assert len(templates) > 25


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("sso_approval_requested", "/users?status=pending"),
        ("invitation_renewal", "/users?status=pending"),
        ("removals_held", "/provisioning"),
        ("scim_token_created", "/provisioning"),
    ],
)
def test_a_mail_that_asks_for_something_leads_to_where_it_is_done(template: str, page: str) -> None:
    assert url_of(PUBLIC, template, None, None) == f"{PUBLIC}/console{page}"


def test_a_preview_says_in_both_parts_what_it_says_and_leads_somewhere() -> None:
    for preview in previews(PUBLIC):
        which = f"{preview.template} ({preview.language})"
        assert preview.subject, which
        assert "\n" not in preview.subject, which
        assert f"{PUBLIC}/" in preview.text, which
        assert f'href="{PUBLIC}/' in preview.html, which
        assert f'lang="{preview.language}"' in preview.html, which
        assert "<2026>" not in preview.html, f"{which} doesn't escape"
        assert "{{" not in preview.text + preview.html, which


def test_a_mail_with_a_value_that_has_no_sample_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = yaml.safe_load((TEMPLATES / "en.yaml").read_text())
    texts["new_mail"] = {"subject": "{{ never_sampled }}", "paragraphs": ["x"], "button": "Open"}
    for file in TEMPLATES.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "en.yaml").write_text(yaml.safe_dump(texts))
    monkeypatch.setattr("services.courier.usecases.previews.every_wording", lambda: {"en": Wording("en", tmp_path)})
    with pytest.raises(Exception, match="never_sampled"):
        previews(PUBLIC)


async def test_previews_are_shown_on_a_development_system(databases: Databases, tmp_path: Path) -> None:
    async with whole_product(databases, tmp_path) as product:
        await _shown(product)


async def _shown(product: WholeProduct) -> None:
    listed = (await product.gateway.send("GET", "/dev/mail/previews", None, {"Accept": "application/json"})).ok()
    assert ("invitation", "de") in {(one["template"], one["language"]) for one in listed["data"]}
    page = await product.gateway.send("GET", "/dev/mail/previews")
    assert page.status == 200
    mail = await product.gateway.send("GET", "/dev/mail/previews/invitation/de")
    assert (mail.status, mail.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in mail.headers["content-security-policy"]
    assert (await product.gateway.send("GET", "/dev/mail/previews/invitation/fr")).status == 404


async def test_previews_are_for_the_gateway_alone(databases: Databases, tmp_path: Path) -> None:
    async with world_of([courier], databases, tmp_path) as world:
        assert (await world.ask("courier", "GET", "/internal/mail-previews")).status in (401, 404)
        gateway = Actor("service", service="gateway")
        assert (await world.ask("courier", "GET", "/internal/mail-previews", actor=gateway)).status == 200
