"""Which provider collects is configuration: complete or refused, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.billing.usecases.own import provider_of
from services.billing.usecases.providers import Manual
from services.billing.usecases.stripe_provider import Stripe
from shared.cli.doctor_payments import payments
from shared.config import Misconfigured, Secrets, Settings, settings_from
from shared.errors import Problem
from shared.payments import stripe_account

KEY, SECRET = "sk_test_abc", "whsec_abc"


def environ(folder: Path, **more: str) -> dict[str, str]:
    secrets = folder / "secrets.json"
    if not secrets.exists():
        Secrets.generate().save(secrets)
    return {
        "TENANTRY_SERVICES": "billing",
        "TENANTRY_BILLING_DATABASE_URL": "postgresql://billing@db/billing",
        "TENANTRY_BILLING_LISTEN": "tcp://0.0.0.0:8084",
        **{f"TENANTRY_{name}_URL": f"tcp://{name.lower()}:8081" for name in ("IDENTITY", "ORG", "SHARING")},
        "TENANTRY_AMQP_URL": "amqp://guest@rabbit/",
        "TENANTRY_MAIL": "file:///tmp/mail",
        "TENANTRY_PUBLIC_URL": "https://admin.example.com",
        "TENANTRY_SECRETS_FILE": str(secrets),
        **{f"TENANTRY_STRIPE_{name}": value for name, value in more.items()},
    }


def configured(folder: Path, **more: str) -> Settings:
    return settings_from(environ(folder, **more))


async def test_without_an_account_nothing_is_collected_and_every_question_says_how_to_pay(tmp_path: Path) -> None:
    provider = provider_of(configured(tmp_path))
    assert isinstance(provider, Manual)
    assert (provider.name, provider.collects) == ("manual", False)
    with pytest.raises(Problem, match="bank transfer"):
        await provider.open_portal("cus_1", "https://admin.example.com")


async def test_with_an_account_stripe_collects_and_old_and_new_secret_count(tmp_path: Path) -> None:
    settings = configured(tmp_path, API_KEY=KEY, WEBHOOK_SECRET=f"{SECRET}, whsec_new")
    provider = provider_of(settings)
    assert isinstance(provider, Stripe)
    await provider.close()
    assert settings.stripe is not None
    assert len(settings.stripe.webhook_secrets) == 2
    assert KEY not in repr(settings)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"API_KEY": KEY}, "WEBHOOK_SECRET is missing"),
        ({"WEBHOOK_SECRET": SECRET}, "must be a secret or restricted key"),
        ({"API_KEY": "pk_test_abc", "WEBHOOK_SECRET": SECRET}, "must be a secret or restricted key"),
        ({"API_KEY": KEY, "WEBHOOK_SECRET": SECRET, "API_URL": "http://stripe.example"}, "must begin with https://"),
    ],
)
def test_half_an_account_starts_nothing_and_no_fault_shows_a_secret(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(Misconfigured, match=says) as refused:
        configured(tmp_path, **variables)
    assert KEY not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_the_doctor_says_which_mode_and_whether_stripe_can_tell_anything() -> None:
    def account(key: str) -> object:
        return stripe_account({"TENANTRY_STRIPE_API_KEY": key, "TENANTRY_STRIPE_WEBHOOK_SECRET": SECRET}, [])

    assert payments(None, "https://admin.example.com") == []
    (found,) = payments(account(KEY), "http://127.0.0.1:8080")  # type: ignore[arg-type]
    assert (found.sign, "test mode" in found.says) == ("✓", True)
    live = payments(account("rk_live_abc"), "http://127.0.0.1:8080")  # type: ignore[arg-type]
    assert [one.sign for one in live] == ["✓", "⚠"]
    assert len(payments(account("sk_live_abc"), "https://admin.example.com")) == 1  # type: ignore[arg-type]
