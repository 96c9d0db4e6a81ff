"""What several packages' tests begin with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.support import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Give what the tap has logged so far, DEBUG and metrics aside."""
    with logs.logged("tap_cometly", logging.INFO) as messages:
        yield messages
