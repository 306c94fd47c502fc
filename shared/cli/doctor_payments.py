"""What the doctor says of collecting: which account, whether real money moves, and whether Stripe can tell what happened."""

from __future__ import annotations

from collections.abc import Sequence

from shared.cli.findings import Finding, doubtful, well
from shared.payments import StripeAccount


def payments(account: StripeAccount | None, public_url: str) -> Sequence[Finding]:
    """Nothing where no provider is configured: then invoices are paid by transfer."""
    if account is None:
        return []
    mode = "live" if account.live else "test"
    found = [well("payments", f"Stripe collects, in {mode} mode")]
    if account.live and not public_url.startswith("https://"):
        found.append(
            doubtful(
                "payment messages",
                f"Stripe can't tell {public_url}/v1/webhooks/stripe anything",
                risk="payments are noticed a quarter of an hour late, and cards stored on its pages not at all",
                fix="set TENANTRY_PUBLIC_URL to the https:// address that people see",
            )
        )
    return found
