"""The plan catalogue: data that an operator edits and applies, checked whole before; every fault is named at once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from babel.numbers import get_territory_currencies
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.billing.rules import Interval, Terms
from shared.config import Misconfigured
from shared.errors import invalid
from shared.events.billing import Entitlements
from shared.own_yaml import read_own

DEFAULT = Path(__file__).parent / "catalogue.yaml"


def _unlimited(value: Any) -> Any:
    if value is None:
        raise ValueError('write "unlimited" or a number')
    return None if value == "unlimited" else value


Limit = Annotated[Annotated[int, Field(ge=0, strict=True)] | None, BeforeValidator(_unlimited)]
Amount = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
PlanId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Days = Annotated[int, Field(ge=1, le=36_500, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanEntitlements(_Strict):
    """What a plan lets an organization set up; the fields of `Entitlements` that don't say whose they are."""

    author_slots: Limit
    viewer_slots: Limit
    share_all_analysts: bool
    custom_groups: bool
    additional_domains: Literal["none", "proven", "any"]
    single_sign_on: bool
    scim: bool
    sharing_links: bool
    interactive_embedding: bool
    api_keys: bool
    audit_days: Days


class Prices(_Strict):
    month: dict[Currency, Amount]
    year: dict[Currency, Amount]


class Plan(_Strict):
    id: PlanId
    name: Annotated[str, Field(min_length=1, max_length=100)]
    order: int
    prices: Prices | None = None
    entitlements: PlanEntitlements

    def price(self, interval: Interval, currency: str) -> int | None:
        return None if self.prices is None else getattr(self.prices, interval)[currency]

    def sold_in(self, currency: str) -> bool:
        return self.prices is None or currency in self.prices.month

    def granted(self, version: int) -> Entitlements:
        """This plan's entitlements as an organization's, under a version."""
        return Entitlements(version=version, plan=self.id, plan_name=self.name, **self.entitlements.model_dump())


class Trial(_Strict):
    plan: PlanId
    days: Days
    notice_days: Annotated[int, Field(ge=0, strict=True)]

    @property
    def length(self) -> timedelta:
        return timedelta(days=self.days)

    @property
    def notice(self) -> timedelta:
        return timedelta(days=self.notice_days)


class Seller(_Strict):
    """A legal entity that sells: what its invoices say about it. Their numbers are its prefix and a count without gaps."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    name: Text
    address: Annotated[tuple[Text, ...], Field(min_length=1, max_length=6)]
    country: Country
    vat_id: Text | None = None
    registration: Text | None = None
    bank: Text | None = None
    prefix: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,11}$")]


class Invoicing(_Strict):
    """Who sells at each account location, by when invoices are to be paid and how long after that a plan is kept, and tax rates in hundredths of a percent."""

    payment_days: Days
    grace_days: Days = 14
    sellers: Annotated[tuple[Seller, ...], Field(min_length=1)]
    locations: dict[Literal["eu", "us"], str]
    tax_rates: dict[Country, Annotated[int, Field(ge=0, le=10_000, strict=True)]]

    @property
    def grace(self) -> timedelta:
        return timedelta(days=self.grace_days)

    def seller_at(self, location: str) -> Seller:
        wanted = next(seller for place, seller in self.locations.items() if place == location)
        return next(seller for seller in self.sellers if seller.id == wanted)


class Catalogue(_Strict):
    version: Annotated[int, Field(ge=1, strict=True)]
    currency: Currency
    starts_with: PlanId
    trial: Trial
    invoicing: Invoicing | None = None
    plans: Annotated[tuple[Plan, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        faults = list(_faults(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @cached_property
    def by_id(self) -> dict[str, Plan]:
        return {plan.id: plan for plan in self.plans}

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def content(self) -> dict[str, Any]:
        """The catalogue as a file would say it."""
        content = self.model_dump(mode="json")
        for plan in content["plans"]:
            plan["entitlements"] = {
                name: "unlimited" if value is None else value for name, value in plan["entitlements"].items()
            }
        return content

    @property
    def first(self) -> Plan:
        """The plan that every organization starts with."""
        return self.by_id[self.starts_with]

    def currency_in(self, country: str | None) -> str:
        """What is paid with in a country, if every plan is sold in it; otherwise the catalogue's own."""
        usual = get_territory_currencies(country, tender=True) if country else []
        sold = (one for one in usual if all(plan.sold_in(one) for plan in self.plans))
        return next(sold, self.currency)

    def terms(self, plan_id: str, interval: Interval, currency: str) -> Terms:
        plan = self.by_id[plan_id]
        return Terms(plan.id, plan.name, plan.order, interval, plan.price(interval, currency), self.version)

    def plan(self, plan_id: str) -> Plan:
        return self.by_id[plan_id]

    def chosen(self, plan_id: str) -> Plan:
        """A plan that a client named."""
        if plan_id not in self.by_id:
            raise invalid("/plan", "unknown_plan", f"The plans are {', '.join(self.by_id)}.", plans=list(self.by_id))
        return self.by_id[plan_id]


def _faults(catalogue: Catalogue) -> Iterable[str]:
    ids = [plan.id for plan in catalogue.plans]
    orders = [plan.order for plan in catalogue.plans]
    if len(set(ids)) < len(ids):
        yield "two plans have the same id"
    if len(set(orders)) < len(orders):
        yield "two plans have the same order"
    for plan in catalogue.plans:
        if plan.prices is not None and not {catalogue.currency} <= set(plan.prices.month) == set(plan.prices.year):
            yield f"the plan {plan.id} needs a price per month and per year in {catalogue.currency}, and in the same currencies"
    for use, plan_id in (("starts_with", catalogue.starts_with), ("trial.plan", catalogue.trial.plan)):
        if plan_id not in ids:
            yield f"{use} names {plan_id!r}, which isn't among the plans"
    first = next((plan for plan in catalogue.plans if plan.id == catalogue.starts_with), None)
    if first is not None and (first.prices is None or any(first.prices.month.values())):
        yield f"the plan {first.id} must cost nothing: organizations start with it"
    if catalogue.trial.notice_days >= catalogue.trial.days:
        yield "trial.notice_days must be fewer than trial.days"
    if catalogue.invoicing is not None:
        yield from _faults_of_invoicing(catalogue.invoicing)


def _faults_of_invoicing(invoicing: Invoicing) -> Iterable[str]:
    ids = [seller.id for seller in invoicing.sellers]
    if len(set(ids)) < len(ids) or len({seller.prefix for seller in invoicing.sellers}) < len(ids):
        yield "two sellers have the same id or prefix"
    for location in ("eu", "us"):
        if location not in invoicing.locations:
            yield f"invoicing.locations doesn't say who sells at {location}"
    for location, seller in invoicing.locations.items():
        if seller not in ids:
            yield f"invoicing.locations.{location} names {seller!r}, which isn't among the sellers"


@dataclass(frozen=True)
class Shelf:
    """The catalogues that were applied, by version. None ever changes, so what was read once is kept."""

    known: dict[int, Catalogue] = field(default_factory=dict)

    async def take(self, version: int, read: Callable[[int], Awaitable[str]]) -> Catalogue:
        if version not in self.known:
            self.known[version] = Catalogue.model_validate_json(await read(version))
        return self.known[version]


def differences(old: Catalogue, new: Catalogue) -> list[str]:
    """What another catalogue would change, one line for each thing."""
    before, after = _flat(old.content), _flat(new.content)
    names = [name for name in [*before, *(n for n in after if n not in before)] if name != "version"]
    return [
        f"{name}: {before.get(name, 'nothing')} → {after.get(name, 'nothing')}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        inner = [(f"{name}.{key}" if name else key, one) for key, one in value.items()]
    elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
        inner = [(f"{name}.{one.get('id', place)}", one) for place, one in enumerate(value)]
    else:
        return {name: value}
    return {key: one for place, content in inner for key, one in _flat(content, place).items()}


def read_catalogue(path: Path = DEFAULT) -> Catalogue:
    """The catalogue of a file, or `Misconfigured` with all that is wrong in it."""
    try:
        return Catalogue.model_validate(read_own(path))
    except OSError as away:
        raise Misconfigured([f"the plan catalogue {path} can't be read: {away.strerror}"]) from None
    except yaml.YAMLError as wrong:
        raise Misconfigured([f"the plan catalogue {path} isn't YAML: {' '.join(str(wrong).split())}"]) from None
    except ValidationError as wrong:
        raise Misconfigured(_words(path, wrong)) from None


def faults_of(wrong: ValidationError) -> Sequence[tuple[str, str]]:
    """Where, and what."""
    return [
        (".".join(map(str, fault["loc"])) or "as a whole", fault["msg"].removeprefix("Value error, "))
        for fault in wrong.errors(include_url=False, include_context=False)
    ]


def _words(path: Path, wrong: ValidationError) -> Sequence[str]:
    return [f"the plan catalogue {path}: {place}: {what}" for place, what in faults_of(wrong)]
