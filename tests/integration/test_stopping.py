"""Being stopped at any time, by real signals: section Stopping of the catalogue."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.sandbox import Fault, Limits, dated
from tests.support.properties import PLENTY
from tests.support.running import SCRIPT, arguments, config_for, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FIRST = NOW - timedelta(days=20)
CONFIG = {"start_date": (FIRST - timedelta(days=1)).isoformat()}
SMALL_PAGES = {**CONFIG, "page_size": 5}
EXPORT = {**CONFIG, "extraction_mode": "export"}
LONGEST_OUTAGE = 60.0  # seconds, for something to begin or to end
TRIES = 5  # a machine that runs other tests may be late at times, but not always
PIPE = 16_000  # bytes that are in any pipe that is full
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
NO_MORE = "Standard output takes no more"


@dataclass
class Running:
    """The tap in a process of its own."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    @property
    def out(self) -> IO[bytes]:
        assert self.process.stdout
        return self.process.stdout

    def is_loud(self, code: int, *words: str) -> None:
        """It has ended, with one error that has these words as the log's last line."""
        self.process.wait(LONGEST_OUTAGE)
        *_, last = log = self.log.splitlines()
        assert self.process.returncode == code
        assert [line for line in log if "| ERROR" in line or "Traceback" in line] == [last]
        for word in words:
            assert word in last
        assert list((self.folder / "spool").iterdir()) == []

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + LONGEST_OUTAGE
        while not condition():
            assert time.monotonic() < deadline, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.02)

    def until_blocked(self, pipe: int | None = None) -> None:
        """Wait until the pipe is full that nobody reads."""
        reader = self.out.fileno() if pipe is None else pipe
        self.until(lambda: bytes_in(reader) >= PIPE)
        time.sleep(0.3)

    def stop(self, number: int) -> float:
        """Send a signal; how many seconds it takes to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(LONGEST_OUTAGE)
        return time.monotonic() - began


def at_once() -> float:
    """A second, or as much more as a machine takes that has more to do than cores."""
    cores = os.cpu_count() or 1
    return max(1.0, os.getloadavg()[0] / cores)


def bytes_in(pipe: int) -> int:
    """What can be read from it at once."""
    count: int
    [count] = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return count


@contextlib.contextmanager
def started(
    sandbox: Sandbox,
    config: dict[str, Any],
    stdout: int | IO[bytes] = subprocess.PIPE,
    env: dict[str, str] | None = None,
) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own script
                [str(SCRIPT), *arguments(folder, config_for(sandbox, config))],
                env=environment(folder, env),
                stdout=stdout,
                stderr=log,
            )
        with process:
            try:
                yield Running(process, folder)
            finally:
                process.kill()


def messages(raw: bytes) -> list[dict[str, Any]]:
    """What is in whole lines; there may be no other ones."""
    assert raw.endswith(b"\n") or not raw
    return [json.loads(line) for line in raw.splitlines()]


def nothing_is_claimed(raw: bytes) -> None:
    assert "STATE" not in [message["type"] for message in messages(raw)]


@dataclass(frozen=True)
class Doing:
    """What a run is kept busy with."""

    spoil: Callable[[Sandbox], None]
    config: dict[str, Any]
    endpoint: str
    calls: int
    """It has begun once the endpoint has been called so often."""

    @contextlib.contextmanager
    def begun(self, sandbox: StartSandbox) -> Iterator[Running]:
        cometly = sandbox(dated(queued_seconds=0.5))
        cometly.space.fill(50, FIRST, NOW)
        self.spoil(cometly)
        with started(cometly, self.config) as tap:
            tap.until(lambda: cometly.log_calls()[self.endpoint] >= self.calls)
            yield tap


def faulty(endpoint: Any, kind: Any = "status", **fault: Any) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.fault(Fault(endpoint, kind, times=None, **fault))


def queued(sandbox: Sandbox) -> None:
    sandbox.options = replace(sandbox.options, queued_seconds=600)


DOINGS = {
    "reading": Doing(faulty("list", "trickle", call=3), SMALL_PAGES, "list", 3),
    "waiting for the limit": Doing(lambda space: space.take("list", 13), SMALL_PAGES, "list", 2),
    "retrying": Doing(faulty("list", call=2, status=503), SMALL_PAGES, "list", 5),
    "asking the list": Doing(faulty("list", "slow", seconds=30), CONFIG, "list", 1),
    "queued": Doing(queued, EXPORT, "poll", 1),
    "polling": Doing(faulty("poll", "slow", seconds=30), EXPORT, "poll", 1),
    "downloading": Doing(faulty("file", "trickle"), EXPORT, "file", 1),
}


@pytest.mark.parametrize(
    ("doing", "number"),
    [
        ("reading", signal.SIGTERM),
        ("waiting for the limit", signal.SIGINT),
        ("retrying", signal.SIGTERM),
        ("queued", signal.SIGTERM),
        ("polling", signal.SIGINT),
        ("downloading", signal.SIGINT),
    ],
)
def test_a_signal_stops_it_within_a_second_and_nothing_is_torn_or_left(
    sandbox: StartSandbox, doing: str, number: signal.Signals
) -> None:
    for _ in range(TRIES):
        with DOINGS[doing].begun(sandbox) as tap:
            time.sleep(0.2)
            took = tap.stop(number)

            nothing_is_claimed(tap.out.read())
            tap.is_loud(CODES[number], f"Stopped by {number.name}")
        if took < at_once():
            return
    pytest.fail(f"at best it takes {took} s")


def fill_with(cometly: Sandbox, size: int, count: int) -> None:
    """Add contacts whose records have about so many bytes."""
    for number in range(count):
        cometly.space.add(created_at=FIRST + timedelta(minutes=number), name="x" * size)


@pytest.mark.parametrize(
    ("number", "unbuffered", "size", "count"),
    [
        (signal.SIGTERM, "", 60, 3000),
        (signal.SIGINT, "1", 60, 3000),
        (signal.SIGTERM, "1", 20_000, 30),
        (signal.SIGINT, "", 1_000_000, 3),
    ],
    ids=["200 B", "200 B, PYTHONUNBUFFERED", "20 kB, PYTHONUNBUFFERED", "1 MB"],
)
def test_a_signal_while_stdout_is_blocked_lets_the_line_be_finished_first(
    sandbox: StartSandbox, number: signal.Signals, unbuffered: str, size: int, count: int
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    fill_with(cometly, size, count)

    with started(cometly, CONFIG, env={"PYTHONUNBUFFERED": unbuffered}) as tap:
        tap.until_blocked()
        tap.process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            tap.process.wait(0.5)  # nobody reads yet
        raw = tap.out.read()
        tap.process.wait(LONGEST_OUTAGE)

    assert tap.process.returncode == CODES[number]
    assert b'"RECORD"' in raw
    nothing_is_claimed(raw)


def test_a_second_signal_does_not_wait_for_the_reader(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    fill_with(cometly, 1_000_000, 3)

    with started(cometly, CONFIG) as tap:
        tap.until_blocked()
        tap.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        tap.stop(signal.SIGINT)

    assert tap.process.returncode == CODES[signal.SIGINT]


@pytest.mark.parametrize("doing", ["reading", "downloading"])
def test_sigkill_leaves_no_spool_and_claims_nothing(sandbox: StartSandbox, doing: str) -> None:
    with DOINGS[doing].begun(sandbox) as tap:
        tap.stop(signal.SIGKILL)

        nothing_is_claimed(tap.out.read())
        assert list((tap.folder / "spool").iterdir()) == []


def test_a_signal_before_the_first_request_is_obeyed_too(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=Limits(list=1)))

    with started(cometly, CONFIG) as tap:
        tap.until(lambda: "Beginning sync" in tap.log)
        tap.stop(signal.SIGTERM)

    assert tap.process.returncode == CODES[signal.SIGTERM]


# A reader that is gone, or slow.


@pytest.mark.parametrize("config", [CONFIG, EXPORT], ids=["pages", "exports"])
def test_a_target_that_died_is_one_line(sandbox: StartSandbox, config: dict[str, Any]) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(3000, FIRST, NOW)

    with started(cometly, config) as tap:
        tap.out.readline()
        tap.out.close()

        tap.is_loud(1, f"{NO_MORE}: Broken pipe", "target's log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_stdout_is_one_line(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    cometly.space.fill(10, FIRST, NOW)

    with Path("/dev/full").open("wb") as full, started(cometly, CONFIG, full) as tap:
        tap.is_loud(1, f"{NO_MORE}: No space left on device")


@pytest.mark.parametrize("doing", [name for name in DOINGS if name not in {"reading", "retrying"}])
def test_a_reader_that_is_gone_is_noticed_while_nothing_is_written(
    sandbox: StartSandbox, doing: str
) -> None:
    with DOINGS[doing].begun(sandbox) as tap:
        began = time.monotonic()
        tap.out.close()

        tap.is_loud(1, f"{NO_MORE}: Broken pipe")
        assert time.monotonic() - began < 5 * at_once()


def test_a_reader_that_closes_a_socket_is_noticed_too(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(queued_seconds=600))
    cometly.space.fill(50, FIRST, NOW)
    reader, writer = socket.socketpair()

    with started(cometly, EXPORT, writer.fileno()) as tap:
        writer.close()
        tap.until(lambda: cometly.log_calls()["poll"] >= 1)
        reader.close()

        tap.is_loud(1, NO_MORE)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "PYTHONUNBUFFERED"])
def test_a_pipe_that_does_not_block_is_written_completely_and_without_spinning(
    sandbox: StartSandbox, unbuffered: str
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    ids = cometly.space.fill(3000, FIRST, NOW - timedelta(hours=1))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    with started(cometly, CONFIG, writer, {"PYTHONUNBUFFERED": unbuffered}) as tap:
        os.close(writer)
        tap.until_blocked(reader)
        before = cpu_seconds(tap.process.pid)
        time.sleep(1.0)
        spun = cpu_seconds(tap.process.pid) - before
        with os.fdopen(reader, "rb") as pipe:
            lines = messages(pipe.read())
        tap.process.wait(LONGEST_OUTAGE)

    assert tap.process.returncode == 0, tap.log
    assert {line["record"]["id"] for line in lines if line["type"] == "RECORD"} == set(ids)
    assert spun < 0.3


def cpu_seconds(pid: int) -> float:
    """What a process has used so far; nothing where Linux does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text("ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("shell", "given", "says"),
    [
        ('exec "$0" "$@" >&-', "--config=config.json", "Standard output is closed"),
        ('exec "$0" "$@" >&-', "--discover", "Standard output is closed"),
        (
            '"$0" "$@" | true; exit "${PIPESTATUS[0]}"',
            "--discover",
            f"{NO_MORE}: Broken pipe",
        ),
    ],
    ids=["sync", "catalog", "a catalog that nobody reads"],
)
def test_a_standard_output_that_is_closed_from_the_start_is_one_line(
    sandbox: StartSandbox, tmp_path: Path, shell: str, given: str, says: str
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    arguments(tmp_path, config_for(cometly, CONFIG))

    run = subprocess.run(  # noqa: S603, our own script
        ["/bin/bash", "-c", shell, SCRIPT, given],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    [error] = [line for line in run.stderr.splitlines() if "| ERROR" in line]
    assert says in error
    assert cometly.requests == []
