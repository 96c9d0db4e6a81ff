"""A faithful Cometly to run against.

    with Sandbox(Options(timezone="Asia/Tokyo")) as sandbox:
        sandbox.space.fill(8000, start, end)
        sandbox.fault(Fault("list", call=3, status=503))
        ...  # talk to sandbox.api_url
        assert sandbox.log_calls()["list"] == 4

`options` names the readings it can play, `faults` what it can do wrong, `partial` what an export
may lack, `space` how contacts are added, changed and merged; `sandbox.before_answer` lets a test do
so between two calls. `python -m tests.sandbox` starts one for people.
"""

from __future__ import annotations

from tests.sandbox import partial
from tests.sandbox.contact import Contact
from tests.sandbox.faults import Fault
from tests.sandbox.options import Limits, Options, dated, healthy
from tests.sandbox.sandbox import Request, Sandbox

__all__ = [
    "Contact",
    "Fault",
    "Limits",
    "Options",
    "Request",
    "Sandbox",
    "dated",
    "healthy",
    "partial",
]
