"""What somebody in front of a terminal sees of a run, and that nothing stays behind on it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import DAY, HOUR, UTC
from tests.integration.reporter import BOTH_WAYS, EXPORTS, PAGES, WINDOW
from tests.sandbox import Fault, dated
from tests.support.properties import PLENTY
from tests.support.running import SCRIPT, config_for
from tests.support.terminal import COLUMNS, Session, session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox

CONTACTS = 3_000
LONGEST_OUTAGE = 60.0  # seconds
LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| (INFO|WARNING|ERROR) +\| [\w.-]+ +\| .+")
BAR = re.compile(r"\r *(\d+)%\|.{24}\| ([\d,]+) contacts, [\d,]+/s(, \d:\d\d:\d\d left)?")


@pytest.fixture
def cometly(sandbox: StartSandbox) -> Sandbox:
    started = sandbox(dated(limits=PLENTY, queued_seconds=0.5, job_seconds=0.5))
    now = datetime.now(UTC)
    started.space.fill(CONTACTS, now - 20 * DAY, now - HOUR)
    return started


def recent(config: dict[str, Any]) -> dict[str, Any]:
    """The same, but beginning with this Space's contacts."""
    return {**config, "start_date": (datetime.now(UTC) - 21 * DAY).isoformat()}


def is_clean(run: Session, code: int = 0) -> None:
    """Nothing but whole lines of the log are left, and no control characters but the bar's."""
    assert run.process.returncode == code
    assert run.left
    for row in run.left:
        assert LOG.fullmatch(row), row
    assert [row for row in run.left if "| ERROR" in row] == run.left[-1:] * bool(code)
    assert all(json.loads(line) for line in run.out.splitlines())
    assert "\r" not in run.out.decode()
    for frame in re.findall(r"\r([^\r\n\x1b]*)", run.sent):
        assert len(frame) < COLUMNS or LOG.fullmatch(frame), frame


@BOTH_WAYS
def test_a_bar_shows_how_far_it_is_and_leaves_nothing(
    cometly: Sandbox, config: dict[str, Any]
) -> None:
    for call in range(2, 30):
        cometly.fault(Fault("list", "slow", call=call, seconds=0.1))

    with session(cometly, recent(config)) as run:
        pass

    assert len(run.out.splitlines()) > CONTACTS
    shares = [int(share) for share, *_ in BAR.findall(run.sent)]
    assert all(earlier <= later for earlier, later in pairwise(shares))
    assert any(0 < share < 100 for share in shares)
    assert any(left for *_, left in BAR.findall(run.sent))
    is_clean(run)
    assert any(WINDOW.search(row) for row in run.left)
    assert run.left[-1].split(" | ")[-1].startswith(f"Done: {CONTACTS:,} contacts. ")


def test_each_export_is_shown_with_what_it_is_doing(cometly: Sandbox) -> None:
    cometly.options = replace(cometly.options, queued_seconds=1, job_seconds=2)
    config = {"extraction_mode": "export", "export_target_size": 800, "export_threshold": 200}

    with session(cometly, recent(config)) as run:
        pass

    told = re.findall(r"\r(\d exports?: [^\r\n\x1b]+)", run.sent)
    words = {
        re.sub(r"\d+ s", "n s", word) for row in told for word in row.split(": ")[1].split(", ")
    }
    assert {"queued n s", "processing n s"} <= {word.strip() for word in words}
    assert max(int(row[0]) for row in told) > 1


@BOTH_WAYS
def test_an_error_leaves_one_line(cometly: Sandbox, config: dict[str, Any]) -> None:
    cometly.fault(Fault("poll", call=6, status=401, times=None))
    cometly.fault(Fault("list", call=20, status=401, times=None))

    with session(cometly, recent(config)) as run:
        pass

    is_clean(run, 1)
    assert " | Not finished: " in run.left[-2]


@pytest.mark.parametrize(
    ("config", "number", "code"),
    [(PAGES, signal.SIGTERM, 143), (EXPORTS, signal.SIGINT, 130)],
    ids=["SIGTERM, pages", "SIGINT, exports"],
)
def test_a_signal_leaves_one_line(
    cometly: Sandbox, config: dict[str, Any], number: int, code: int
) -> None:
    cometly.fault(Fault("poll", "slow", call=5, seconds=30))
    cometly.fault(Fault("list", "slow", call=20, seconds=30))

    with session(cometly, recent(config)) as run:
        until = time.monotonic() + LONGEST_OUTAGE
        while "contacts, " not in run.sent and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(1.0)
        run.process.send_signal(number)

    is_clean(run, code)
    assert "Stopped by" in run.left[-1]


# Nor where nobody would like it.


@pytest.mark.parametrize(
    ("term", "messages_too"), [("dumb", False), ("xterm", True)], ids=["dumb", "messages too"]
)
def test_no_bar_where_it_would_only_disturb(
    cometly: Sandbox, term: str, *, messages_too: bool
) -> None:
    with session(cometly, recent({}), {"TERM": term}, messages_too=messages_too) as run:
        pass

    assert run.process.returncode == 0
    assert "%|" not in run.sent
    assert "\x1b" not in run.sent
    assert f"Done: {CONTACTS:,} contacts. " in run.sent


def test_without_standard_error_it_runs_all_the_same(cometly: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(recent(config_for(cometly))), "utf-8")

    run = subprocess.run(  # noqa: S603, our own script
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", SCRIPT, "--config", path],
        stdout=subprocess.PIPE,
        check=False,
    )

    assert run.returncode == 0
    assert run.stdout.count(b'"type":"RECORD"') == CONTACTS


@pytest.mark.parametrize("argument", ["--version", "--discover", "--about"])
def test_what_shows_no_bar_does_not_import_it(argument: str) -> None:
    code = (
        "import sys\nfrom tap_cometly.tap import TapCometly\n"
        "try:\n    TapCometly.cli()\n"
        "finally:\n    print('tqdm' in sys.modules, file=sys.stderr)"
    )

    run = subprocess.run(  # noqa: S603, ourselves
        [sys.executable, "-c", code, argument], capture_output=True, text=True, check=True
    )

    assert run.stderr.splitlines()[-1] == "False"
