"""What a user sees of a run in the log: its windows, no long silence, and one line at the end."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cometly.messages.writer import StdoutWriter
from tests.fuzz.hurry import HurriedClock
from tests.integration.conftest import NOW
from tests.integration.reporter import (
    EXPORTS,
    FIRST,
    LAST,
    PAGES,
    SLOWEST,
    WAYS,
    WINDOW,
    slowly,
    told,
)
from tests.sandbox import Fault, Limits, dated
from tests.support.properties import PLENTY, check
from tests.support.running import sync
from tests.support.silence import listening

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

# One line per window.


@WAYS
def test_each_window_is_one_line(cometly: StartCometly, config: dict[str, Any]) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(2_000, FIRST, LAST)

    with mock.patch("tap_cometly.extract.extractor.PAGE_WINDOW", 500):
        run = sync(sandbox, config, clock=clock)

    windows = [match.groups() for line in told(run) if (match := WINDOW.fullmatch(line))]
    assert len(windows) == len(run.states) > 2
    assert [end for _, end, *_ in windows] == [
        state["bookmarks"]["contacts"]["replication_key_value"] for state in run.states
    ]
    assert sum(int(held.replace(",", "")) for _, _, held, *_ in windows) == len(run.records)
    assert {way for *_, way, _ in windows} == {"export" if config is EXPORTS else "pages"}
    assert sum(float(took) for *_, took in windows) <= (clock.now() - NOW).total_seconds() + 1
    others = [line for line in told(run) if not WINDOW.fullmatch(line)]
    assert len(others) < len(windows), others
    check(run, sandbox, cuts=0)


def test_a_window_that_waited_for_limits_tells_how_much_of_its_time_that_was(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated(limits=Limits(list=5)))
    sandbox.space.fill(1_000, FIRST, LAST)

    run = sync(sandbox, PAGES, clock=clock)

    matches = [match for line in told(run) if (match := WINDOW.fullmatch(line))]
    waits = re.findall(r"([\d.]+) s, ([\d.]+) s of it waiting for limits", run.log)
    assert waits
    assert all(59 <= float(waited) <= float(took) for took, waited in waits)
    assert sum(float(match[5]) for match in matches) <= (clock.now() - NOW).total_seconds() + 1
    check(run, sandbox, cuts=0)


# No silence.


@pytest.mark.parametrize(
    "config",
    [PAGES, {**EXPORTS, "extraction_mode": "auto"}, {**EXPORTS, "max_parallel_exports": 1}],
    ids=["pages", "auto", "exports"],
)
def test_no_call_however_slow_makes_the_log_fall_silent(
    cometly: StartCometly, config: dict[str, Any]
) -> None:
    # Given an API and a store that take as long as is borne for each answer
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(900, FIRST, LAST)

    with listening(clock) as listener, slowly(clock, SLOWEST):
        run = sync(sandbox, {**config, "export_timeout": 86_400}, clock=clock)

    assert len(run.ids) == 900
    assert listener.longest_silence <= 30
    assert [line for line in told(run) if line.endswith("; asking the list")]
    check(run, sandbox, cuts=0)


@WAYS
@pytest.mark.parametrize("kind", ["RECORD", "STATE"])
def test_a_target_that_reads_nothing_for_20_minutes_is_told(
    cometly: StartCometly, config: dict[str, Any], kind: str
) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(900, FIRST, LAST)
    write, lines = StdoutWriter.write_lines, []

    def held_up(writer: StdoutWriter, text: bytes) -> None:
        if text.startswith(f'{{"type":"{kind}"'.encode()):
            lines.append(text)
            if len(lines) == 1:
                clock.sleep(1200)
        write(writer, text)

    with listening(clock) as listener, mock.patch.object(StdoutWriter, "write_lines", held_up):
        run = sync(sandbox, config, clock=clock)

    assert listener.longest_silence <= 30
    waiting = [line for line in told(run) if line.endswith(" s for the target")]
    assert len(waiting) >= 1200 / 30
    check(run, sandbox, cuts=0)


def test_a_thread_breaks_the_silence_of_a_call(sandbox: StartSandbox) -> None:
    # Given time that goes 40 times faster, and a page that takes 100 s of it
    clock = HurriedClock(time.monotonic(), 40)
    cometly = sandbox(dated(limits=PLENTY), now=clock.epoch, monotonic=clock.monotonic)
    cometly.space.fill(300, clock.now() - timedelta(days=20), clock.now() - timedelta(hours=1))
    cometly.fault(Fault("list", "slow", call=3, seconds=2.5))

    with listening(clock) as listener:
        run = sync(cometly, PAGES, clock=clock)

    assert run.exit == 0
    assert listener.longest_silence <= 80  # a machine with other things to do may be late
    assert [line for line in told(run) if line.endswith("; asking the list")]
    assert run.left_behind == ()


def test_a_run_that_goes_quickly_has_nothing_to_add(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(900, FIRST, LAST)

    run = sync(sandbox, PAGES, clock=clock)

    assert not [line for line in told(run) if "%" in line]


# The last line.


def test_the_last_line_sums_the_run_up(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=Limits(create=2)))
    sandbox.space.fill(2_000, FIRST, LAST)

    run = sync(sandbox, EXPORTS, clock=clock)

    calls = Counter(request.endpoint for request in run.requests)
    [done] = [line for line in told(run) if line.startswith("Done: ")]
    assert done == told(run)[-1]
    assert done.startswith(
        f"Done: 2,000 contacts. API calls: list {calls['list']}, create {calls['create']}, "
        f"poll {calls['poll']}; "
    )
    assert done.endswith(f" s of waiting for limits. Bookmark: {run.bookmark}")
    waited = float(re.findall(r"(\d+) s of waiting", done)[0])
    assert 60 <= waited <= (clock.now() - NOW).total_seconds()
    check(run, sandbox, cuts=0)


def test_an_empty_range_is_summed_up_too(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())

    run = sync(sandbox, {"start_date": "2025-01-01"}, clock=clock)

    assert run.exit == 0
    assert told(run)[-1] == (
        "Done: 0 contacts. API calls: list 0, create 0, poll 0; 0 s of waiting for limits. "
        "No bookmark"
    )


def test_a_run_that_fails_says_what_it_has_done_before_its_one_error(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(2_000, FIRST, LAST)
    sandbox.fault(Fault("create", call=4, status=401, times=None))

    run = sync(sandbox, {**EXPORTS, "max_parallel_exports": 1}, clock=clock)

    assert run.exit == 1
    assert len(run.errors) == 1
    assert told(run)[-1] == (
        f"Not finished: {len(run.records):,} contacts. {_calls(run)}; 0 s of waiting for limits. "
        f"Bookmark: {run.bookmark}"
    )
    assert run.log.index("Not finished") < run.log.index(run.errors[0])
    assert len(run.states) == 3
    check(run, sandbox, cuts=0)


def _calls(run: Run) -> str:
    calls = Counter(request.endpoint for request in run.requests)
    return "API calls: " + ", ".join(f"{kind} {calls[kind]}" for kind in ("list", "create", "poll"))
