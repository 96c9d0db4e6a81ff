"""Runs a PostgreSQL for as long as this program's standard input is open, then removes its files.

A pipe closes when its owner ends, even by SIGKILL: the server cannot outlive who started it. On
Linux it cannot outlive this program either. Started by path, with the standard library alone; the
first line of the standard input is a JSON object with the arguments of `main`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

SECONDS_TO_STOP = 10

_PR_SET_PDEATHSIG = 1  # of Linux's <sys/prctl.h>
_UNUSED = shutil.ignore_patterns("include", "pgxs", "*.a", "__pycache__")


def main(
    home: str, copied: list[str], password: str, initdb: list[str], postgres: list[str]
) -> int:
    """Create a cluster and run its server; answers the exit code.

    Args:
        home: The directory for all of its files, which is not there yet.
        copied: Folders to copy into it.
        password: For the file `password`, which is there only while the cluster is created.
        initdb: The command that creates the cluster.
        postgres: The command that runs the server.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    folder = Path(home)
    folder.mkdir(mode=0o700)
    try:
        for source in map(Path, copied):
            shutil.copytree(source, folder / source.name, symlinks=True, ignore=_UNUSED)
        password_file = folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password, encoding="utf-8")
        start: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")  # PostgreSQL refuses to be root
            start |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, password_file):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        created = subprocess.run(initdb, check=False, stdout=subprocess.DEVNULL, **start)  # noqa: S603
        password_file.unlink()
        return created.returncode or _serve(postgres, start)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(command: list[str], start: dict[str, Any]) -> int:
    # A function between fork and exec may hang where there are threads; here are none.
    server = subprocess.Popen(command, preexec_fn=_end_with_parent, **start)  # noqa: S603, PLW1509
    try:
        while server.poll() is None and not select.select([sys.stdin], [], [], 0.1)[0]:
            pass
    finally:
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
            server.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(SECONDS_TO_STOP)
                break
    return server.returncode


def _end_with_parent() -> None:
    """Have Linux stop the server when this program is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Leave by way of every `finally`, once."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.stdin.readline())))
