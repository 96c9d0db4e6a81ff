"""Exports that say `completed` and lack contacts are noticed; contacts that come and go are not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import DAY, HOUR, KINDS, NOW, UTC, Cometly, Kind
from tests.sandbox import Options, dated, partial
from tests.support.properties import PLENTY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tests.integration.conftest import StartSpace
    from tests.sandbox.partial import Keeps
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=UTC)
LAST = NOW - HOUR
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
IN_EACH_MODE = pytest.mark.parametrize(
    ("kind", "mode"),
    [(dated, "export"), (Options, "auto")],
    ids=["dated, export", "undated, auto"],
)


@pytest.fixture
def four_windows(start_space: StartSpace, kind: Kind) -> Cometly:
    return start_space(CONTACTS, FIRST, kind=kind, config=EXPORT)


def doubted(run: Run) -> int:
    """How many files were not believed."""
    return sum(LACKS in line and line.startswith("Export of ") for line in run.warnings)


@pytest.mark.parametrize("keeps", LOST.values(), ids=LOST)
@IN_EACH_MODE
def test_a_file_that_lacks_contacts_is_made_again(
    four_windows: Cometly, keeps: Keeps, mode: str
) -> None:
    four_windows.change(export_keeps=keeps, partial_exports=1)

    run = four_windows.sync(extraction_mode=mode)

    assert doubted(run) == 1
    four_windows.is_complete(run)


@pytest.mark.parametrize("keeps", LOST.values(), ids=LOST)
@IN_EACH_MODE
def test_files_that_always_lack_contacts_leave_pages_in_auto_and_are_an_error_in_export_mode(
    four_windows: Cometly, keeps: Keeps, mode: str
) -> None:
    four_windows.change(export_keeps=keeps)

    run = four_windows.sync(extraction_mode=mode)

    if mode == "export":
        four_windows.is_loud(run, LACKS, "extraction_mode")
    else:
        assert "by pages" in run.log
        assert len(four_windows.windows) <= WINDOWS + 4
        four_windows.is_complete(run)


@KINDS
def test_one_window_whose_files_always_lack_contacts_is_read_by_pages(
    four_windows: Cometly,
) -> None:
    lost = CONTACTS // 2 + 17

    def all_but_one_group(ids: Any) -> Any:
        return [i for i in ids if abs(i - lost) > WINDOW // 3] if lost in ids else ids

    four_windows.change(export_keeps=all_but_one_group)

    run = four_windows.sync(extraction_mode="auto")

    assert len([line for line in run.warnings if line.endswith("by pages")]) <= 2
    four_windows.is_complete(run)


def what_a_sample_shows(ids: Sequence[int]) -> Collection[int]:
    places = [share * len(ids) for share in (0, 0.5, 1)]
    return [i for n, i in enumerate(ids) if min(abs(n - place) for place in places) < 300]


@pytest.mark.parametrize(
    ("contacts", "mode", "keeps"),
    [
        (WINDOW, "export", partial.without(100)),
        (12_000, "auto", partial.hole(0.05, 0.95)),
        (12_000, "export", what_a_sample_shows),
        (40_000, "auto", partial.one_row),
        (40_000, "export", partial.hole(0.4, 0.6)),
    ],
    ids=["one row of few", "most", "all but what a sample shows", "one row of 40,000", "a fifth"],
)
def test_what_the_only_file_lacks_is_noticed(
    start_space: StartSpace, contacts: int, mode: str, keeps: Keeps
) -> None:
    lacking: dict[str, Any] = {"export_keeps": keeps, "partial_exports": 1, "limits": PLENTY}
    space = start_space(contacts, FIRST, kind=Options, **lacking)

    run = space.sync(extraction_mode=mode)

    assert doubted(run) == 1
    space.is_complete(run, cuts=0)


@pytest.mark.parametrize(
    "keeps", [partial.oldest(0.8), partial.newest(0.8), partial.scattered(0.8)]
)
def test_what_planning_left_no_call_for_is_noticed_while_exports_run(
    start_space: StartSpace, keeps: Keeps
) -> None:
    # Given windows whose probes use up the list's minute, and exports that take longer
    space = start_space(12_000, FIRST, kind=Options, export_keeps=keeps, job_seconds=90.0)

    run = space.sync(export_threshold=1_000, export_target_size=3_000)

    assert doubted(run) >= 1
    space.is_complete(run, cuts=0)


@pytest.mark.parametrize("keeps", [partial.oldest(0.8), partial.oldest(0.9997)])
def test_a_file_lacks_nothing_that_probes_have_shown_though_no_call_is_left(
    start_space: StartSpace, keeps: Keeps
) -> None:
    # Given exports that are ready before the list's minute is over
    space = start_space(12_000, FIRST, kind=Options, export_keeps=keeps)

    run = space.sync(export_threshold=1_000, export_target_size=3_000)

    assert doubted(run) >= 1
    space.is_complete(run, cuts=0)


# No alarm without a reason.


def come(space: Any, number: int) -> None:
    """Contacts appear at both ends of the first window, and in the middle."""
    for created in (FIRST, FIRST + DAY, LAST):
        space.add(created_at=created + timedelta(seconds=number))


def go(space: Any, number: int) -> None:
    """The newest and the oldest are merged into others."""
    space.merge(CONTACTS - number, into=CONTACTS // 2)
    space.merge(number, into=CONTACTS // 2)


@KINDS
@pytest.mark.parametrize("seconds", [0.0, 90.0])
@pytest.mark.parametrize("endpoint", ["create", "poll", "file"])
@pytest.mark.parametrize("change", [come, go])
def test_contacts_that_come_or_go_meanwhile_are_no_alarm(
    four_windows: Cometly, change: Callable[[Any, int], None], endpoint: str, seconds: float
) -> None:
    four_windows.change(job_seconds=seconds)
    space, there = four_windows.space, four_windows.space.ids()

    def somebody(called: str, number: int) -> None:
        if called == endpoint and number < 50:
            change(space, number)

    four_windows.sandbox.before_answer = somebody

    run = four_windows.sync()

    assert run.warnings == []
    assert there & space.ids() <= run.ids
    four_windows.is_complete(run, excused=space.ids() - there)


def test_an_empty_stretch_is_no_alarm(start_space: StartSpace) -> None:
    space = start_space(WINDOW, FIRST, FIRST + DAY, kind=Options)
    space.space.fill(WINDOW, LAST - DAY, LAST)

    run = space.sync(**EXPORT)

    assert run.warnings == []
    space.is_complete(run)


def test_a_replica_that_lags_does_not_hide_what_an_export_holds(start_space: StartSpace) -> None:
    space = start_space(WINDOW, NOW - 5 * HOUR, NOW, kind=Options, list_lag=20.0)

    run = space.sync(**EXPORT)

    assert run.warnings == []
    space.is_complete(run, cuts=0)


def test_without_an_answer_from_the_list_an_empty_file_is_made_again_and_believed(
    start_space: StartSpace,
) -> None:
    space = start_space(kind=Options)
    space.fault("list", status=503, lasts=3_600.0)

    run = space.sync(**EXPORT)

    assert "The list of contacts does not answer; the export of" in run.log
    assert space.seconds < 1_000
    space.is_complete(run)
