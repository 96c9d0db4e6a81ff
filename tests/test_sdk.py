"""The standard tests that the SDK has for every tap, against the sandbox."""

from __future__ import annotations

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


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> Iterator[None]:
    with Sandbox(dated(limits=PLENTY, queued_seconds=0.0)) as sandbox:
        sandbox.space.fill(20, FIRST, NOW - timedelta(days=1))
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
        for config in (PAGES, EXPORTS):
            config["api_url"] = sandbox.api_url
        yield


class GuestTap(TapCometly):
    """The tap in somebody else's process, whose signals are not its own."""

    @override
    def _setup_signal_handlers(self) -> None:
        pass


TestPages = get_tap_test_class(GuestTap, config=PAGES, parse_env_config=False)
TestExports = get_tap_test_class(GuestTap, config=EXPORTS, parse_env_config=False)
