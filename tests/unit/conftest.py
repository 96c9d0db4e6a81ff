"""What several rooms' tests begin with."""

from __future__ import annotations

import logging

import pytest

from tap_cometly.mending import Findings
from tests.support.plant import DAY, Plant, Told, listen


@pytest.fixture
def findings(caplog: pytest.LogCaptureFixture) -> Findings:
    logger = logging.getLogger("tests.findings")
    caplog.set_level(logging.DEBUG, logger.name)
    return Findings(logger)


@pytest.fixture
def one() -> Plant:
    """The works, with one day to read."""
    return Plant(DAY)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return listen(caplog)
