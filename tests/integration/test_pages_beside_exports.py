"""Exports go on while a window that none of them could read is read by pages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW
from tests.sandbox import dated
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly

FIRST = datetime(2024, 1, 2, tzinfo=timezone.utc)
WINDOW = 1_000  # contacts


@pytest.mark.parametrize(
    "options",
    [
        {"job_fails": lambda first, _last: first < FIRST + timedelta(days=1)},
        {"export_keeps": lambda ids: ids[:1] if 1 in ids else ids},
    ],
    ids=["fails", "lacks contacts"],
)
def test_other_exports_go_on_while_a_window_is_read_by_pages(
    cometly: StartCometly, options: dict[str, Any]
) -> None:
    sandbox, clock = cometly(dated(job_seconds_of=lambda number: 20.0 * (number == 2), **options))
    sandbox.space.fill(2 * WINDOW, FIRST, NOW - timedelta(hours=1))
    config = {"export_target_size": WINDOW, "export_threshold": WINDOW, "page_size": 40}

    run = sync(sandbox, config, clock=clock)

    assert len(run.ids) == 2 * WINDOW
    assert len([line for line in run.warnings if line.endswith("by pages")]) == 1
    *_, last_page = (request.at for request in run.requests if request.endpoint == "list")
    *_, last_file = (request.at for request in run.requests if request.endpoint == "file")
    assert last_file < last_page
    check(run, sandbox, cuts=0)
