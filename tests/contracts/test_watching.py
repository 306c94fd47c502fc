"""Alerts and dashboard ask for metrics that are there, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import shared.metrics as metrics

ROOT = Path(__file__).parent.parent.parent
ALERTS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "tenantry.json").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
ASKED = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]
OF_PROMETHEUS = {"instance", "job", "le"}


def kept() -> dict[str, set[str]]:
    """What every metric of a process is called when it is read, and the labels that it has."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
            found |= {family.name + end: set(metric._labelnames) | OF_PROMETHEUS for end in ends}
    return found


def test_every_metric_is_told_of_by_the_dashboard() -> None:
    shown = {name for asked in ASKED for name in re.findall(r"tenantry_\w+", asked)}
    of_a_histogram = re.compile("_(bucket|count|sum)$")
    assert {of_a_histogram.sub("", name) for name in kept()} == {of_a_histogram.sub("", name) for name in shown}


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_of_prometheus_is_there_to_be_asked(asked: str) -> None:
    names = set(re.findall(r"tenantry_\w+", asked))
    assert names <= kept().keys()
    by = {label for labels in re.findall(r"by \(([^)]*)\)", asked) for label in re.split(r"\s*,\s*", labels)}
    having = {label for within in re.findall(r"\{([^}]*)\}", asked) for label in re.findall(r"(\w+)\s*[=!]", within)}
    for name in names:
        assert by | having <= kept()[name]


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "description"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_dashboards_parts_lie_beside_each_other() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    places = [cells(panel) for panel in DASHBOARD["panels"]]
    assert len(set.union(*places)) == sum(map(len, places))
    assert max(x for cell in places for x, _ in cell) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
