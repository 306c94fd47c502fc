"""The first steps of the README, run as they are written, against `tenantry up`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.system.whole import ROOT, started

STEP = re.compile(r"^```sh story\n(.*?)^```", re.DOTALL | re.MULTILINE)
HERE = "127.0.0.1:8080"

# What a person sees before going on: the mail that came; the organization and its plan, soon after the confirmation.
MAIL_CAME = """
until curl -s http://127.0.0.1:8080/dev/mail -H 'Accept: application/json' | grep -q tms_; do sleep 0.1; done
"""
ORGANIZATION_IS_THERE = """
until curl -s -f -o /dev/null http://127.0.0.1:8080/v1/subscription -H "Authorization: Bearer $(
    curl -s http://127.0.0.1:8080/v1/auth/sessions -H 'Content-Type: application/json' \
        -d '{"email": "ada@brightline.example", "password": "correct-horse-battery-staple-9"}' | grep -o 'access_token":"[^"]*' | cut -d'"' -f3)"
do sleep 0.1; done
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's examples use curl")
def test_the_first_steps_work_as_they_are_written(tmp_path: Path) -> None:
    sign_up, confirm, look_around, write = STEP.findall((ROOT / "README.md").read_text())
    port = free_port()
    script = "echo\n".join((sign_up + MAIL_CAME, confirm, ORGANIZATION_IS_THERE + look_around, write))
    script = script.replace(HERE, f"127.0.0.1:{port}")
    with started(data=tmp_path / "data", port=port):
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == 3, done.stdout + done.stderr
    confirmed, me, group = answers
    assert confirmed["user_id"].startswith("usr_"), confirmed
    assert me["organization"]["role"] == "admin", me
    assert group["name"] == "Finance", group
