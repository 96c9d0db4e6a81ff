"""What several packages' tests begin with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

import pytest

Logged: TypeAlias = Callable[[], list[str]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """Give what the tap has logged so far, DEBUG and metrics aside."""
    caplog.set_level(logging.INFO, "tap_cometly")
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("tap_cometly")]
