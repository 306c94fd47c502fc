"""How a process reaches the payment provider: nothing here, nothing leaves."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

API_URL = "https://api.stripe.com"


class StripeAccount(BaseModel):
    """A Stripe account. Webhooks count when any of the secrets signed them, so that one can be replaced by another."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    webhook_secrets: Annotated[tuple[SecretStr, ...], Field(min_length=1)]
    api_url: Annotated[str, Field(pattern="^https?://")] = API_URL

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return "_live_" in self.api_key.get_secret_value()


def stripe_account(environ: Mapping[str, str], faults: MutableSequence[str]) -> StripeAccount | None:
    """The account that `TENANTRY_STRIPE_API_KEY` and `TENANTRY_STRIPE_WEBHOOK_SECRET` name; None where neither is set."""
    key = environ.get("TENANTRY_STRIPE_API_KEY", "")
    secrets = [one for one in environ.get("TENANTRY_STRIPE_WEBHOOK_SECRET", "").replace(" ", "").split(",") if one]
    if not key and not secrets:
        return None
    if not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        faults.append("TENANTRY_STRIPE_API_KEY must be a secret or restricted key of Stripe: sk_… or rk_…")
        return None
    if not secrets:
        faults.append("TENANTRY_STRIPE_WEBHOOK_SECRET is missing: whsec_…, from the webhook endpoint's page at Stripe")
        return None
    url = environ.get("TENANTRY_STRIPE_API_URL") or API_URL
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        faults.append("TENANTRY_STRIPE_API_URL must begin with https://")
        return None
    return StripeAccount(api_key=SecretStr(key), webhook_secrets=tuple(SecretStr(one) for one in secrets), api_url=url)
