"""What several rooms' tests begin with."""

from __future__ import annotations

import logging

import pytest

from tap_cometly.contacts.repair import RepairLog
from tests.support.plant import DAY, Plant, Told, listen


@pytest.fixture
def repairs(caplog: pytest.LogCaptureFixture) -> RepairLog:
    logger = logging.getLogger("tests.findings")
    caplog.set_level(logging.DEBUG, logger.name)
    return RepairLog(logger)


@pytest.fixture
def one() -> Plant:
    """The works, with one day to read."""
    return Plant(DAY)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return listen(caplog)
