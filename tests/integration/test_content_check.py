"""Exports that say `completed` and lack contacts are noticed; contacts that come and go are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import Fault, Options, dated, partial
from tests.support.properties import PLENTY, check
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tests.integration.conftest import StartCometly
    from tests.sandbox.partial import Keeps
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=timezone.utc)
LAST = NOW - timedelta(hours=1)
WINDOW = 300  # contacts
WINDOWS = 4
CONTACTS = WINDOWS * WINDOW
EXPORT = {"extraction_mode": "export", "export_target_size": WINDOW, "export_threshold": WINDOW}
LACKS = "its file lacks contacts that the list shows"

LOST: dict[str, Keeps] = {
    "the newer half": partial.oldest(0.5),
    "all but the newest 40 %": partial.newest(0.4),
    "three of ten": partial.scattered(0.7),
    "most of it, but for both ends": partial.hole(0.05, 0.95),
    "all but one": partial.one_row,
    "all": partial.nothing,
}
READINGS: dict[str, Callable[[], Options]] = {"dated": dated, "undated": Options}


@pytest.fixture(params=READINGS)
def four_windows(cometly: StartCometly, request: pytest.FixtureRequest) -> Cometly:
    sandbox, clock = cometly(READINGS[request.param]())
    sandbox.space.fill(CONTACTS, FIRST, LAST)
    return Cometly(sandbox, clock, EXPORT)


def doubted(run: Run) -> int:
    """How many files were not believed."""
    return sum(LACKS in line and line.startswith("Export of ") for line in run.warnings)


@pytest.mark.parametrize("keeps", LOST.values(), ids=LOST)
@pytest.mark.parametrize("mode", ["auto", "export"])
def test_a_file_that_lacks_contacts_is_made_again(
    four_windows: Cometly, keeps: Keeps, mode: str
) -> None:
    four_windows.change(export_keeps=keeps, partial_exports=1)

    run = four_windows.sync(extraction_mode=mode)

    assert run.exit == 0, run.errors
    assert len(run.ids) == CONTACTS
    assert doubted(run) == 1
    check(run, four_windows.sandbox)


@pytest.mark.parametrize("keeps", LOST.values(), ids=LOST)
@pytest.mark.parametrize("mode", ["auto", "export"])
def test_files_that_always_lack_contacts_leave_pages_in_auto_and_are_an_error_in_export_mode(
    four_windows: Cometly, keeps: Keeps, mode: str
) -> None:
    four_windows.change(export_keeps=keeps)

    run = four_windows.sync(extraction_mode=mode)

    if mode == "auto":
        assert (run.exit, len(run.ids)) == (0, CONTACTS), run.errors
        assert "by pages" in run.log
        assert len(four_windows.windows) <= WINDOWS + 4
    else:
        [error] = run.errors
        assert LACKS in error
        assert "extraction_mode" in error
        assert (run.exit, run.states) == (1, [])
    check(run, four_windows.sandbox)


def test_one_window_whose_files_always_lack_contacts_is_read_by_pages(
    four_windows: Cometly,
) -> None:
    lost = CONTACTS // 2 + 17

    def all_but_one_group(ids: Any) -> Any:
        return [i for i in ids if abs(i - lost) > WINDOW // 3] if lost in ids else ids

    four_windows.change(export_keeps=all_but_one_group)

    run = four_windows.sync(extraction_mode="auto")

    assert run.exit == 0, run.errors
    assert len(run.ids) == CONTACTS
    assert len([line for line in run.warnings if line.endswith("by pages")]) <= 2
    check(run, four_windows.sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "export"])
def test_one_row_of_40_000_is_noticed(cometly: StartCometly, mode: str) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(40_000, FIRST, LAST)
    sandbox.options = replace(
        sandbox.options, export_keeps=partial.one_row, partial_exports=1, limits=PLENTY
    )

    run = sync(sandbox, {"extraction_mode": mode}, clock=clock)

    assert len(run.ids) == 40_000
    assert doubted(run) == 1
    check(run, sandbox)


@pytest.mark.parametrize("keeps", [partial.hole(0.05, 0.95), partial.hole(0.4, 0.6)])
@pytest.mark.parametrize("contacts", [12_000, 60_000])
def test_a_hole_in_the_only_window_is_noticed(
    cometly: StartCometly, contacts: int, keeps: Keeps
) -> None:
    sandbox, clock = cometly(Options(export_keeps=keeps, partial_exports=1))
    sandbox.space.fill(contacts, FIRST, LAST)

    run = sync(sandbox, clock=clock)

    assert len(run.ids) == contacts
    assert doubted(run) == 1
    check(run, sandbox, cuts=0)


def test_a_hole_between_all_that_was_asked_for_is_noticed_by_its_size(
    cometly: StartCometly,
) -> None:
    def keep_what_a_sample_shows(ids: Sequence[int]) -> Collection[int]:
        shares = [share * len(ids) for share in (0, 0.5, 1)]
        return [i for n, i in enumerate(ids) if min(abs(n - share) for share in shares) < 300]

    sandbox, clock = cometly(Options(export_keeps=keep_what_a_sample_shows, partial_exports=1))
    sandbox.space.fill(12_000, FIRST, LAST)

    run = sync(sandbox, clock=clock)

    assert len(run.ids) == 12_000
    assert doubted(run) == 1
    check(run, sandbox, cuts=0)


def test_a_small_file_is_compared_with_all_that_a_page_shows(cometly: StartCometly) -> None:
    sandbox, clock = cometly(Options(export_keeps=partial.without(100), partial_exports=1))
    sandbox.space.fill(WINDOW, FIRST, LAST)

    run = sync(sandbox, EXPORT, clock=clock)

    assert len(run.ids) == WINDOW
    assert doubted(run) == 1
    check(run, sandbox)


# No alarm without a reason.


def come(space: Any, number: int) -> None:
    """Contacts appear at both ends of the first window, and in the middle."""
    for created in (FIRST, FIRST + timedelta(days=1), LAST):
        space.add(created_at=created + timedelta(seconds=number))


def go(space: Any, number: int) -> None:
    """The newest and the oldest are merged into others."""
    space.merge(CONTACTS - number, into=CONTACTS // 2)
    space.merge(number, into=CONTACTS // 2)


@pytest.mark.parametrize("endpoint", ["create", "poll", "file"])
@pytest.mark.parametrize("change", [come, go])
def test_contacts_that_come_or_go_meanwhile_are_no_alarm(
    four_windows: Cometly, change: Callable[[Any, int], None], endpoint: str
) -> None:
    sandbox = four_windows.sandbox
    there = sandbox.space.ids()

    def somebody(called: str, number: int) -> None:
        if called == endpoint and number < 50:
            change(sandbox.space, number)

    sandbox.before_answer = somebody

    run = four_windows.sync()

    assert run.exit == 0, run.errors
    assert doubted(run) == 0
    assert run.warnings == []
    assert there & sandbox.space.ids() <= run.ids
    check(run, sandbox, excused=sandbox.space.ids() - there)


def test_an_empty_stretch_is_no_alarm(cometly: StartCometly) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(WINDOW, FIRST, FIRST + timedelta(days=1))
    sandbox.space.fill(WINDOW, LAST - timedelta(days=1), LAST)

    run = sync(sandbox, EXPORT, clock=clock)

    assert len(run.ids) == 2 * WINDOW
    assert run.warnings == []
    check(run, sandbox)


# The list cannot be asked.


def test_without_an_answer_from_the_list_an_empty_file_is_made_again_and_believed(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly()
    sandbox.fault(Fault("list", status=503, lasts=3_600.0))

    run = sync(sandbox, EXPORT, clock=clock)

    assert run.exit == 0, run.errors
    assert "The list of contacts does not answer; the export of" in run.log
    assert clock.monotonic() < 1_000
    check(run, sandbox)


def test_a_replica_that_lags_does_not_hide_what_an_export_holds(cometly: StartCometly) -> None:
    sandbox, clock = cometly(Options(list_lag=20.0))
    sandbox.space.fill(WINDOW, NOW - timedelta(hours=5), NOW)

    run = sync(sandbox, EXPORT, clock=clock)

    assert run.exit == 0, run.errors
    assert run.warnings == []
    check(run, sandbox, cuts=0)
