"""What several rooms' tests begin with."""

from __future__ import annotations

import pytest

from tests.support.plant import DAY, Plant, Told, listen


@pytest.fixture
def one() -> Plant:
    """The works, with one day to read."""
    return Plant(DAY)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return listen(caplog)
