"""The standard tests that the SDK has for every tap, against the sandbox."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_tap_test_class
from typing_extensions import override

from tap_cometly.tap import TapCometly
from tests.sandbox import Sandbox, dated
from tests.support.properties import PLENTY

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FIRST = NOW - timedelta(days=20)

# The SDK creates taps when this module is imported; where the sandbox is they learn later.
PAGES: dict[str, Any] = {
    "api_key": "ck_sandbox",
    "start_date": (FIRST - timedelta(days=1)).isoformat(),
    "include_comet_tokens": True,
    "include_all_emails": True,
    "include_custom_fields": True,
}
EXPORTS: dict[str, Any] = {
    **PAGES,
    "include_custom_fields": False,
    "extraction_mode": "export",
}


CONFIGS = {
    (contacts, way): dict(config)
    for contacts in (20, 3_000)  # a sample stops before the end of the latter
    for way, config in (("paged", PAGES), ("exported", EXPORTS))
}


@pytest.fixture(scope="module", autouse=True)
def _sandboxes() -> Iterator[None]:
    with ExitStack() as started:
        for (contacts, _), config in CONFIGS.items():
            config["api_url"] = started.enter_context(_sandbox(contacts)).api_url
        yield


def _sandbox(contacts: int) -> Sandbox:
    sandbox = Sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    sandbox.space.fill(contacts, FIRST, NOW - timedelta(days=1))
    everything = {number: "3.5" if number in range(16, 26) else None for number in range(1, 31)}
    sandbox.space.add(
        created_at=NOW - timedelta(hours=1),
        email="ada@example.com",
        phone="+1 555 0100",
        location="Lima",
        name="Ada",
        emails=["ada@example.com", "lovelace@example.com"],
        comet_tokens=["t1"],
        profile_fields={**everything, 1: "text", 26: "2024-02-29"},
    )
    return sandbox


class GuestTap(TapCometly):
    """The tap in somebody else's process, whose signals are not its own."""

    @override
    def _setup_signal_handlers(self) -> None:
        pass


def _tests_of(contacts: int, way: str) -> type:
    return get_tap_test_class(GuestTap, config=CONFIGS[contacts, way], parse_env_config=False)


TestPagesOfFew = _tests_of(20, "paged")
TestExportsOfFew = _tests_of(20, "exported")
TestPagesOfMany = _tests_of(3_000, "paged")
TestExportsOfMany = _tests_of(3_000, "exported")
