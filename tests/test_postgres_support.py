"""The PostgreSQL that tests load into starts, answers its owner alone, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING
from unittest import mock

import psycopg
import pytest

from tests.support.postgres import SETTINGS, Postgres, PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    wrong = postgres.url.replace(postgres.password, "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_leaves_no_process_and_no_directory_when_it_is_interrupted() -> None:
    with suppress(KeyboardInterrupt), Postgres() as server:
        process = process_of(server)
        assert runs(process)
        raise KeyboardInterrupt

    assert not runs(process)
    assert not server.home.exists()


USER = """
import sys
from tests.support.postgres import Postgres
server = Postgres()
print(server.home, flush=True)
with server:
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("started", [True, False], ids=["started", "starting"])
def test_does_not_outlive_a_test_run_that_is_killed(*, started: bool) -> None:
    # Given a process that starts a server
    command = [sys.executable, "-c", USER]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as user:  # noqa: S603
        assert user.stdout
        home = Path(user.stdout.readline().strip())
        if started:
            user.stdout.readline()
        else:
            wait_until(home.exists)

        # When it is killed
        user.kill()

    # Then nothing of the server is left
    wait_until(lambda: not home.exists())
    assert not processes_in(home)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of this")
def test_does_not_outlive_its_guard() -> None:
    with Postgres() as server:
        process = process_of(server)
        guard = int(Path(f"/proc/{process}/stat").read_text("ascii").split()[3])

        os.kill(guard, signal.SIGKILL)

        wait_until(lambda: not runs(process))
    assert not server.home.exists()


def test_says_why_it_did_not_start() -> None:
    with (
        mock.patch.dict(SETTINGS, shared_buffers="plenty"),
        pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'),
        Postgres(),
    ):
        pytest.fail("started with a setting that makes no sense")


def process_of(server: Postgres) -> int:
    pid, *_ = (server.home / "data" / "postmaster.pid").read_text("utf-8").split()
    return int(pid)


def processes_in(home: Path) -> list[str]:
    """Those that were started with this directory."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607
    return [line for line in listed.stdout.splitlines() if str(home) in line]


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
