from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    Warnings: TypeAlias = Callable[[], list[str]]


@pytest.fixture
def repairs() -> RepairLog:
    return RepairLog()


@pytest.fixture
def decoder(repairs: RepairLog) -> ContactDecoder:
    return ContactDecoder(FIELDS, repairs)


@pytest.fixture
def warnings(repairs: RepairLog, caplog: pytest.LogCaptureFixture) -> Warnings:
    """All warnings of a sync, the summary included."""

    def all_warnings() -> list[str]:
        repairs.summarize()
        return caplog.messages

    return all_warnings
