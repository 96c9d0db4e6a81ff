"""Runs the tap as users do, and keeps everything that came of it.

run = sync(sandbox, {"page_size": 100})           # in this process, with a clock of one's own
run = launch(sandbox, {}, state=run.state)        # the console script, in its own process
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from urllib3.util import connection

from tap_cometly.extract import services
from tap_cometly.runtime.clock import Clock
from tap_cometly.tap import TapCometly
from tests.support.clock import FakeClock, InTurn
from tests.support.logs import logged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.sandbox import Request, Sandbox

SCRIPT = Path(sys.executable).with_name("tap-cometly")
START = "2024-01-01T00:00:00Z"
LONGEST_RUN = 100.0  # seconds; pytest-timeout would end the test without its log

_GRACE = 1.0  # seconds that threads may take to end behind a run


@dataclass(frozen=True)
class Run:
    """What a run was given, and what came of it."""

    config: Mapping[str, Any]
    given: dict[str, Any] | None
    catalog: dict[str, Any] | None
    clock: Clock
    began: datetime
    exit: int
    raw: bytes = field(repr=False)
    log: str = field(repr=False)
    """Standard error, at level DEBUG."""
    hosts: frozenset[tuple[str, int]] = frozenset()
    """Whom a run in this process connected to."""
    left_behind: tuple[str, ...] = field(default=())
    """Threads and files that were still there after it."""
    requests: tuple[Request, ...] = field(default=(), repr=False)
    """What it asked the sandbox for."""

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """All messages."""
        return [json.loads(line) for line in self.raw.splitlines()]

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Contacts, in order."""
        return [line["record"] for line in self.lines if line["type"] == "RECORD"]

    @property
    def ids(self) -> set[int]:
        return {record["id"] for record in self.records}

    @property
    def states(self) -> list[dict[str, Any]]:
        return [line["value"] for line in self.lines if line["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any] | None:
        """The last one written, or else the one that was passed in."""
        return self.states[-1] if self.states else self.given

    @property
    def bookmark(self) -> str | None:
        """How far that state says everything has been read."""
        return bookmark_of(self.state)

    @property
    def errors(self) -> list[str]:
        return self._logged("ERROR")

    @property
    def warnings(self) -> list[str]:
        return self._logged("WARNING")

    def _logged(self, level: str) -> list[str]:
        lines = (line.split(" | ", 3) for line in self.log.splitlines())
        return [line[3] for line in lines if len(line) > 3 and line[1].strip() == level]


def bookmark_of(state: Mapping[str, Any] | None) -> str | None:
    """The contacts' replication key value in a state."""
    marks: Mapping[str, Any] = (state or {}).get("bookmarks", {})
    value: str | None = marks.get("contacts", {}).get("replication_key_value")
    return value


def config_for(sandbox: Sandbox, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A configuration for this sandbox; an override of None leaves a setting out."""
    defaults = {
        "api_key": sandbox.options.api_key,
        "start_date": START,
        "api_url": sandbox.api_url,
    }
    given = {**defaults, **(overrides or {})}
    return {name: value for name, value in given.items() if value is not None}


def arguments(
    folder: Path,
    config: Mapping[str, Any],
    state: object = None,
    catalog: object = None,
) -> list[str]:
    """Write the files of a run, and give the arguments that name them."""
    found = []
    for name, content in (("config", config), ("state", state), ("catalog", catalog)):
        if content is None:
            continue
        path = folder / f"{name}.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        found += [f"--{name}", str(path)]
    return found


def environment(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, less what would reach into a run, and with its own TMPDIR."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAP_COMETLY_")}
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    return {**kept, "TAP_COMETLY_LOGLEVEL": "DEBUG", "TMPDIR": str(spool), **(env or {})}


def launch(
    sandbox: Sandbox,
    config: Mapping[str, Any] | None = None,
    state: Any = None,
    catalog: Any = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run the console script in a process of its own; a `state` of type str is written as it is."""
    full = config_for(sandbox, config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = datetime.now(timezone.utc)
        before = len(sandbox.requests)
        done = subprocess.run(  # noqa: S603, our own script
            [str(SCRIPT), *arguments(folder, full, state, catalog)],
            env=environment(folder, env),
            capture_output=True,
            check=False,
            timeout=LONGEST_RUN,
        )
        left = tuple(path.name for path in (folder / "spool").iterdir())
    log = done.stderr.decode()
    given = state if isinstance(state, dict) else None
    return Run(
        full,
        given,
        catalog,
        Clock(),
        began,
        done.returncode,
        done.stdout,
        log,
        left_behind=left,
        requests=tuple(sandbox.requests[before:]),
    )


def sync(
    sandbox: Sandbox,
    config: Mapping[str, Any] | None = None,
    state: Any = None,
    catalog: Any = None,
    clock: Clock | None = None,
    more: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run the command line in this process; with a `FakeClock`, exports live in its time, too."""
    full = config_for(sandbox, config)
    clock = clock or Clock()
    began = clock.now()
    before = len(sandbox.requests)
    hosts: set[tuple[str, int]] = set()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as undo:
        folder = Path(name)
        out, log = undo.enter_context(_captured())
        undo.enter_context(_as_a_process_would())
        undo.enter_context(mock.patch.dict(os.environ, environment(folder, env), clear=True))
        undo.enter_context(mock.patch.object(tempfile, "tempdir", str(folder / "spool")))
        undo.enter_context(_sandbox_apart())
        undo.enter_context(_noting(hosts))
        if isinstance(clock, FakeClock):
            undo.enter_context(mock.patch.object(services, "ThreadTasks", InTurn))
        code = _exit_code(clock, [*arguments(folder, full, state, catalog), *more])
        left = (*_threads_left(), *(path.name for path in (folder / "spool").iterdir()))
    given = state if isinstance(state, dict) else None
    return Run(
        full,
        given,
        catalog,
        clock,
        began,
        code,
        out.getvalue(),
        log.getvalue(),
        frozenset(hosts),
        left,
        tuple(sandbox.requests[before:]),
    )


def tap_with(clock: Clock) -> type[TapCometly]:
    """The tap, living in somebody else's time."""

    class ClockedTap(TapCometly):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(clock=clock, **kwargs)

    return ClockedTap


def _exit_code(clock: Clock, args: list[str]) -> int:
    try:
        tap_with(clock).cli(args, prog_name="tap-cometly")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001, the interpreter would print it and exit with 1
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _captured() -> Iterator[tuple[io.BytesIO, io.StringIO]]:
    raw, log = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(log):
        yield raw, log
        out.flush()
        out.detach()


@contextlib.contextmanager
def _as_a_process_would() -> Iterator[None]:
    """Undo what the SDK does to a process that it has for itself."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            root.handlers[:] = handlers
            root.setLevel(level)
            sys.excepthook = hook
            if threading.current_thread() is threading.main_thread():
                for number, handler in signals.items():
                    signal.signal(number, handler)


@contextlib.contextmanager
def _sandbox_apart() -> Iterator[None]:
    """Keep the sandbox's own log out of the run's, and fail when the sandbox itself does."""
    server = logging.getLogger("uvicorn")
    propagate, server.propagate = server.propagate, False
    try:
        with logged("uvicorn", logging.ERROR) as failures:
            yield
    finally:
        server.propagate = propagate
    assert not failures


@contextlib.contextmanager
def _noting(hosts: set[tuple[str, int]]) -> Iterator[None]:
    connect = connection.create_connection

    def noted(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
        hosts.add(address)
        return connect(address, *args, **kwargs)

    with mock.patch.object(connection, "create_connection", noted):
        yield


def _threads_left() -> list[str]:
    until = time.monotonic() + _GRACE
    threads = [thread for thread in threading.enumerate() if thread.name == "tap-cometly"]
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
