"""The composition: every container's environment is a whole configuration, and nothing but the gateway is published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.launcher import PRODUCT
from shared.cli.place import databases_of
from shared.config import SERVICES, Secrets, settings_from
from tests.system.commands import tenantry

ROOT = Path(__file__).parents[2]
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def environment_of(container: str, folder: Path) -> dict[str, str]:
    """With the defaults of its `${NAME:-default}`, and the secrets that `setup` made."""
    environ = {
        name: re.sub(r"\$\{\w+:-([^}]*)}", r"\1", str(value))
        for name, value in COMPOSITION["services"][container]["environment"].items()
    }
    file = folder / "secrets.json"
    if not file.exists():
        Secrets.generate().save(file)
    return {**environ, "TENANTRY_SECRETS_FILE": str(file)}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_starts_with_what_its_container_is_told(service: str, tmp_path: Path) -> None:
    command = COMPOSITION["services"][service]["command"]
    assert command == ["serve", "--only", service]
    settings = settings_from(environment_of(service, tmp_path), [service])
    assert settings.services == (service,)
    assert set(settings.database_urls) == {service} - {"gateway"}
    assert set(settings.bus_urls) == {service}, "and no other's user"


async def test_the_setup_plans_a_user_for_each_service(tmp_path: Path) -> None:
    planned = await tenantry(PRODUCT, "broker", "plan", environ=environment_of("setup", tmp_path))
    assert planned.code == 0, planned.output
    told = json.loads(planned.output)
    assert [user["name"] for user in told["users"]] == ["tenantry", *(f"tenantry-{name}" for name in SERVICES)]
    for service in SERVICES:
        url = environment_of(service, tmp_path)[f"TENANTRY_{service.upper()}_AMQP_URL"]
        assert url == environment_of("setup", tmp_path)[f"TENANTRY_{service.upper()}_AMQP_URL"]
    command, conf = COMPOSITION["services"]["setup"]["entrypoint"][-1], ROOT / "deploy" / "rabbitmq" / "tenantry.conf"
    assert command.rpartition("> ")[2] == conf.read_text().strip().rpartition("= ")[2]


def test_the_setup_knows_every_database(tmp_path: Path) -> None:
    assert set(databases_of(environment_of("setup", tmp_path))) == set(SERVICES) - {"gateway"}


def test_nothing_but_the_gateway_is_published() -> None:
    assert [name for name, container in COMPOSITION["services"].items() if "ports" in container] == ["gateway"]
    assert not any("container_name" in container for container in COMPOSITION["services"].values())
