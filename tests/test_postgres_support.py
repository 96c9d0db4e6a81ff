"""The PostgreSQL that tests load into starts, answers its owner alone, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Postgres, PostgresError


def test_answers_queries(postgres: Postgres) -> None:
    postgres.query("CREATE TABLE greeting (words text)")
    postgres.query("INSERT INTO greeting VALUES ('grüß dich')")

    assert postgres.query("SELECT words FROM greeting") == [("grüß dich",)]


def test_speaks_utf8_and_utc(postgres: Postgres) -> None:
    [(encoding, zone)] = postgres.query(
        "SELECT current_setting('server_encoding'), current_setting('timezone')"
    )

    assert (encoding, zone) == ("UTF8", "UTC")


def test_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    wrong = postgres.url.replace(postgres.password, "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_listens_on_loopback_only_and_opens_no_socket_file(postgres: Postgres) -> None:
    [(addresses, sockets)] = postgres.query(
        "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
    )

    assert (addresses, sockets) == ("127.0.0.1", "")


@pytest.mark.parametrize("failure", [None, ValueError("a test failed"), KeyboardInterrupt()])
def test_leaves_no_process_and_no_directory(failure: BaseException | None) -> None:
    # Given a server, and what ends the work with it
    left: list[BaseException] = []
    try:
        with Postgres() as server:
            process, home = process_and_home_of(server)
            assert _runs(process)
            assert home.is_dir()
            if failure:
                raise failure
    except (ValueError, KeyboardInterrupt) as error:
        left.append(error)

    # Then the failure goes on its way, and nothing of the server is left
    assert left == ([failure] if failure else [])
    assert not _runs(process)
    assert not home.exists()


def test_does_not_outlive_a_test_run_that_is_killed() -> None:
    # Given a process that has started a server
    code = (
        "import sys\n"
        "from tests.support.postgres import Postgres\n"
        "from tests.test_postgres_support import process_and_home_of\n"
        "with Postgres() as server:\n"
        "    print(*process_and_home_of(server), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        pid, home = killed.stdout.readline().split()
        assert _runs(int(pid))

        # When it is killed
        killed.kill()

    # Then nothing of the server is left
    until = time.monotonic() + 30
    while (_runs(int(pid)) or Path(home).exists()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _runs(int(pid))
    assert not Path(home).exists()


def test_has_the_settings_that_it_is_given() -> None:
    with Postgres(timezone="America/New_York") as server:
        assert server.query("SELECT current_setting('timezone')") == [("America/New_York",)]


def test_says_why_it_did_not_start() -> None:
    with (
        pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'),
        Postgres(shared_buffers="plenty"),
    ):
        pytest.fail("started with a setting that makes no sense")


def process_and_home_of(server: Postgres) -> tuple[int, Path]:
    [(pid_file, data)] = server.query(
        "SELECT pg_read_file('postmaster.pid'), current_setting('data_directory')"
    )
    return int(pid_file.split()[0]), Path(data).parent


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
