"""Runs a server for as long as this program's standard input is open, and then removes its files.

A pipe closes when its owner ends, even by SIGKILL: the server cannot outlive who started it.
Started by path, with the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

SECONDS_TO_STOP = 10


def main(home: str, user: str, *command: str) -> int:
    """Run the server; answers its exit code.

    Args:
        home: The server's working directory, with all its files.
        user: As `uid:gid` whom it runs as; empty for ours.
        command: The server's, with arguments.
    """
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=home, **_as(user))  # noqa: S603
    told_to_stop = threading.Event()
    threading.Thread(target=_stop_at_end, args=(server, told_to_stop), daemon=True).start()
    code = server.wait()
    if told_to_stop.is_set():
        shutil.rmtree(home, ignore_errors=True)
    return code


def _stop_at_end(server: subprocess.Popen[bytes], told_to_stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    told_to_stop.set()
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, at last by force
        server.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_TO_STOP)
            return


def _as(user: str) -> dict[str, Any]:
    if not user:
        return {}
    uid, gid = map(int, user.split(":"))
    return {"user": uid, "group": gid, "extra_groups": []}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
