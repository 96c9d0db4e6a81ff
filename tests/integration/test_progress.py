"""What a user sees of a run in the log: its windows, no long silence, and one line at the end."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cometly.messages.writer import StdoutWriter
from tests.fuzz.hurry import HurriedClock
from tests.integration.conftest import DAY, HOUR, NOW
from tests.integration.reporter import BOTH_WAYS, EXPORTS, PAGES, WINDOW, heard, slowly, told
from tests.sandbox import Fault, Limits, dated
from tests.support.properties import PLENTY
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.integration.conftest import Cometly, StartSpace
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

SLOWEST = 300.0  # seconds: five times the time-out, from an answer's first byte to its last


def calls_of(run: Run) -> str:
    calls = Counter(request.endpoint for request in run.requests)
    return "API calls: " + ", ".join(f"{kind} {calls[kind]}" for kind in ("list", "create", "poll"))


def elapsed(space: Cometly) -> float:
    return (space.clock.now() - NOW).total_seconds()


# One line per window.


@BOTH_WAYS
def test_each_window_is_one_line(start_space: StartSpace, config: dict[str, Any]) -> None:
    space = start_space(2_000, limits=PLENTY)

    with mock.patch("tap_cometly.extract.extractor.PAGE_WINDOW", 500):
        run = space.sync(**config)

    windows = [match.groups() for line in told(run) if (match := WINDOW.fullmatch(line))]
    assert len(windows) == len(run.states) > 2
    assert [end for _, end, *_ in windows] == [
        state["bookmarks"]["contacts"]["replication_key_value"] for state in run.states
    ]
    assert sum(int(held.replace(",", "")) for _, _, held, *_ in windows) == len(run.records)
    assert {way for *_, way, _ in windows} == {"export" if config is EXPORTS else "pages"}
    assert sum(float(took) for *_, took in windows) <= elapsed(space) + 1
    others = [line for line in told(run) if not WINDOW.fullmatch(line)]
    assert len(others) < len(windows), others
    assert not [line for line in others if "%" in line]  # it goes quickly
    counted = [
        re.findall(r'"http_request_count".+"endpoint":"([^"]+)"', part)
        for part in WINDOW.split(run.log)
    ]
    assert sum(map(len, counted)) >= len(windows)  # as metrics, each endpoint once a window
    assert all(len(part) == len(set(part)) for part in counted[:-1])
    space.is_complete(run, cuts=0)


def test_a_window_that_waited_for_limits_tells_how_much_of_its_time_that_was(
    start_space: StartSpace,
) -> None:
    space = start_space(1_000, limits=Limits(list=5))

    run = space.sync(**PAGES)

    matches = [match for line in told(run) if (match := WINDOW.fullmatch(line))]
    waits = re.findall(r"([\d.]+) s, ([\d.]+) s of it waiting for limits", run.log)
    assert waits
    assert all(59 <= float(waited) <= float(took) for took, waited in waits)
    assert sum(float(match[5]) for match in matches) <= elapsed(space) + 1
    space.is_complete(run, cuts=0)


# No silence.


@pytest.mark.parametrize(
    "config",
    [PAGES, {**EXPORTS, "extraction_mode": "auto"}, {**EXPORTS, "max_parallel_exports": 1}],
    ids=["pages", "auto", "exports"],
)
def test_no_call_however_slow_makes_the_log_fall_silent(
    start_space: StartSpace, config: dict[str, Any]
) -> None:
    # Given an API and a store that take as long as is borne for each answer
    space = start_space(900, limits=PLENTY)

    with heard(space.clock) as listener, slowly(space.clock, SLOWEST):
        run = space.sync(**config, export_timeout=86_400)

    assert listener.longest_silence <= 30
    assert [line for line in told(run) if line.endswith("; asking the list")]
    space.is_complete(run, cuts=0)


@BOTH_WAYS
@pytest.mark.parametrize("kind", ["RECORD", "STATE"])
def test_a_target_that_reads_nothing_for_20_minutes_is_told(
    start_space: StartSpace, config: dict[str, Any], kind: str
) -> None:
    space = start_space(900, limits=PLENTY)
    write, lines = StdoutWriter.write_lines, []

    def held_up(writer: StdoutWriter, text: bytes) -> None:
        if text.startswith(f'{{"type":"{kind}"'.encode()):
            lines.append(text)
            if len(lines) == 1:
                space.clock.sleep(1200)
        write(writer, text)

    with (
        heard(space.clock) as listener,
        mock.patch.object(StdoutWriter, "write_lines", held_up),
    ):
        run = space.sync(**config)

    assert listener.longest_silence <= 30
    waiting = [line for line in told(run) if line.endswith(" s for the target")]
    assert len(waiting) >= 1200 / 30
    space.is_complete(run, cuts=0)


def test_a_thread_breaks_the_silence_of_a_call(sandbox: StartSandbox) -> None:
    # Given time that goes 40 times faster, and a page that takes 100 s of it
    clock = HurriedClock(time.monotonic(), 40)
    cometly = sandbox(dated(limits=PLENTY), now=clock.epoch, monotonic=clock.monotonic)
    cometly.space.fill(300, clock.now() - 20 * DAY, clock.now() - HOUR)
    cometly.fault(Fault("list", "slow", call=3, seconds=2.5))

    with heard(clock) as listener:
        run = sync(cometly, PAGES, clock=clock)

    assert run.exit == 0
    assert listener.longest_silence <= 80  # a machine with other things to do may be late
    assert [line for line in told(run) if line.endswith("; asking the list")]
    assert run.left_behind == ()


# The last line.


def test_the_last_line_sums_the_run_up(start_space: StartSpace) -> None:
    space = start_space(2_000, limits=Limits(create=2))

    run = space.sync(**EXPORTS)

    [done] = [line for line in told(run) if line.startswith("Done: ")]
    assert done == told(run)[-1]
    assert done.startswith(f"Done: 2,000 contacts. {calls_of(run)}; ")
    assert done.endswith(f" s of waiting for limits. Bookmark: {run.bookmark}")
    assert 60 <= float(re.findall(r"(\d+) s of waiting", done)[0]) <= elapsed(space)
    space.is_complete(run, cuts=0)


def test_an_empty_range_is_summed_up_too(start_space: StartSpace) -> None:
    run = start_space().sync(start_date="2025-01-01")

    assert told(run)[-1] == (
        "Done: 0 contacts. API calls: list 0, create 0, poll 0; 0 s of waiting for limits. "
        "No bookmark"
    )


def test_a_run_that_fails_says_what_it_has_done_before_its_one_error(
    start_space: StartSpace,
) -> None:
    space = start_space(2_000, limits=PLENTY)
    space.fault("create", call=4, status=401, times=None)

    run = space.sync(**EXPORTS, max_parallel_exports=1)

    assert told(run)[-1] == (
        f"Not finished: {len(run.records):,} contacts. {calls_of(run)}; 0 s of waiting for "
        f"limits. Bookmark: {run.bookmark}"
    )
    assert run.log.index("Not finished") < run.log.index(run.errors[0])
    assert len(run.states) == 3
    space.is_loud(run, nothing_committed=False, cuts=0)
