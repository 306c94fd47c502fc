"""What the console says of a trace: all that one click or key asks for is one, and nothing that a page asks by itself much later."""

from __future__ import annotations

import json
import subprocess

from shared.tracing import read_traceparent
from tests.contracts.source import ROOT
from tests.node import NODE

MODULE = ROOT / "services" / "gateway" / "console" / "lib" / "trace.js"
ACTING = """
const acts = {};
globalThis.addEventListener = (name, hear) => { acts[name] = hear; };
let now = 1000;
Date.now = () => now;
const { traceparent } = await import(process.argv[1]);
const said = [traceparent(), traceparent()];
acts.pointerdown();
said.push(traceparent(), traceparent());
now += 9_000;
said.push(traceparent());
now += 2_000;
said.push(traceparent());
acts.keydown();
said.push(traceparent());
console.log(JSON.stringify(said));
"""


def test_a_click_is_one_trace_for_ten_seconds() -> None:
    command = [str(NODE), "--input-type=module", "-e", ACTING, MODULE.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(ran.stdout)
    assert all(read_traceparent(one) == one for one in said)
    opened, opened_too, clicked, clicked_too, still, later, typed = said
    assert (opened, clicked, clicked) == (opened_too, clicked_too, still)
    assert len({opened, clicked, later, typed}) == 4
