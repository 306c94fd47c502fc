"""What billing opens once and keeps: the catalogues, and the provider that collects."""

from __future__ import annotations

from dataclasses import dataclass

from services.billing.catalogue import Shelf
from services.billing.usecases.providers import Manual, Provider
from shared.config import Settings
from shared.service import Ctx


@dataclass(frozen=True)
class Own:
    """Made by `app.py` when the service starts."""

    shelf: Shelf
    provider: Provider


def own(ctx: Ctx) -> Own:
    kept = ctx.own
    assert isinstance(kept, Own)
    return kept


def provider_of(settings: Settings) -> Provider:
    """Stripe where an account is configured; otherwise nothing leaves this house."""
    if settings.stripe is None:
        return Manual()
    from services.billing.usecases.stripe_provider import Stripe  # half a second to load, for who uses it

    return Stripe(settings.stripe)
