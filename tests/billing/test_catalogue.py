"""The catalogue file: what ships is right, and what an operator gets wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.billing.catalogue import DEFAULT, PlanEntitlements, read_catalogue
from shared.config import Misconfigured
from shared.events.billing import Entitlements


def test_what_ships_is_the_table_of_the_product() -> None:
    catalogue = read_catalogue()
    assert list(catalogue.by_id) == ["free", "pro", "business", "enterprise"]
    prices = {p.id: (p.price("month", "EUR"), p.price("year", "EUR")) for p in catalogue.plans}
    assert prices == {"free": (0, 0), "pro": (24900, 249000), "business": (74900, 749000), "enterprise": (None, None)}
    limits = {p.id: (p.entitlements.author_slots, p.entitlements.viewer_slots) for p in catalogue.plans}
    assert limits == {"free": (2, 5), "pro": (5, None), "business": (20, None), "enterprise": (None, None)}
    assert [p.entitlements.audit_days for p in catalogue.plans] == [30, 365, 1095, 2555]
    assert [p.entitlements.custom_groups for p in catalogue.plans] == [False, False, True, True]


def test_a_plan_says_all_that_an_event_carries() -> None:
    assert set(PlanEntitlements.model_fields) == set(Entitlements.model_fields) - {"version", "plan", "plan_name"}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("plans", 1, "prices", "month", "EUR"), -1, "plans.1.prices.month.EUR: Input should be greater than"),
        (("plans", 1, "prices", "month", "EUR"), 249.0, "plans.1.prices.month.EUR"),
        (("plans", 1, "prices", "month"), {"USD": 5}, "needs a price per month and per year in EUR"),
        (("plans", 1, "entitlements", "scimm"), True, "plans.1.entitlements.scimm: Extra inputs"),
        (("plans", 1, "entitlements", "viewer_slots"), None, 'write "unlimited" or a number'),
        (("plans", 1, "order"), 0, "two plans have the same order"),
        (("plans", 1, "id"), "free", "two plans have the same id"),
        (("starts_with",), "gold", "starts_with names 'gold'"),
        (("starts_with",), "pro", "the plan pro must cost nothing"),
        (("trial", "plan"), "gold", "trial.plan names 'gold'"),
        (("trial", "notice_days"), 14, "fewer than trial.days"),
        (("version",), "one", "version"),
    ],
)
def test_each_fault_is_named_with_its_place(
    tmp_path: Path, path: tuple[str | int, ...], value: object, words: str
) -> None:
    content = yaml.safe_load(DEFAULT.read_text())
    place = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    file = tmp_path / "catalogue.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(Misconfigured) as wrong:
        read_catalogue(file)
    assert words in str(wrong.value)
    assert str(file) in str(wrong.value)


def test_a_file_that_is_missing_or_not_yaml_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        read_catalogue(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(Misconfigured, match="isn't YAML"):
        read_catalogue(tmp_path / "bad.yaml")
