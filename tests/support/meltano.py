"""A Meltano project for an hour: this checkout's `meltano.yml`, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import yaml
from typing_extensions import override

from tests.support.installed import requirement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

MELTANO = "meltano==4.4.1"
ENVIRONMENT = "prod"
CHECKOUT = Path(__file__).parents[2]
SECONDS_TO_STOP = 10

_LAST_LINES = 40


class MeltanoError(RuntimeError):
    """Meltano is not there, or it failed; its log says why."""


class MeltanoProject(contextlib.ExitStack):
    """Nothing of it is left after the `with` block but uv's cache of downloads."""

    def __init__(
        self,
        settings: Mapping[str, str],
        *additions: Mapping[str, Any],
        log: Path | None = None,
    ) -> None:
        """Prepare.

        Args:
            settings: The plugins' settings, as the environment variables Meltano reads.
            additions: To the project's `meltano.yml`.
            log: A file that Meltano's log is added to, instead of kept for errors.
        """
        super().__init__()
        self._additions = additions
        self._log = log
        self.folder = Path(self.enter_context(TemporaryDirectory(prefix="tap-cometly-meltano-")))
        self._environment = {
            **_environment_without_plugins(),
            "MELTANO_ENVIRONMENT": ENVIRONMENT,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            **settings,
        }

    @override
    def __enter__(self) -> Self:
        definition = yaml.safe_load((CHECKOUT / "meltano.yml").read_text(encoding="utf-8"))
        tap = definition["plugins"]["extractors"][0]
        tap |= {"pip_url": requirement(), "config": {"start_date": "2024-01-01"}}
        text = yaml.safe_dump(reduce(merge, self._additions, definition), sort_keys=False)
        (self.folder / "meltano.yml").write_text(text, encoding="utf-8")
        put_on_path(self.folder / "bin", "meltano", MELTANO)
        return self

    def run(self, *blocks: str, settings: Mapping[str, str] | None = None) -> str:
        """Run extractors into loaders, as a scheduler would; answers the log if it is kept."""
        return self._finish(["meltano", "run", *blocks], settings or {})[1]

    def script(self, text: str, settings: Mapping[str, str] | None = None) -> str:
        """Run a shell script in the project; answers what it printed."""
        return self._finish(["bash", "-c", text], settings or {})[0]

    def bookmark(self, pipeline: str) -> str:
        """Where Meltano would have the next run go on."""
        database = self.folder / ".meltano" / "meltano.db"  # to start Meltano takes seconds
        with contextlib.closing(sqlite3.connect(database)) as opened:
            query = "SELECT completed_state FROM state WHERE state_id = ?"
            [(text,)] = opened.execute(query, [f"{ENVIRONMENT}:{pipeline}"])
        state = json.loads(text)
        return str(state["singer_state"]["bookmarks"]["contacts"]["replication_key_value"])

    def _finish(self, command: list[str], settings: Mapping[str, str]) -> tuple[str, str]:
        environment = {**self._environment, **settings}
        log_file = self._log.open("a") if self._log else contextlib.nullcontext()
        with log_file as added_to:
            return self._run_to_its_end(command, environment, added_to)

    def _run_to_its_end(
        self, command: list[str], environment: Mapping[str, str], added_to: TextIO | None
    ) -> tuple[str, str]:
        process = subprocess.Popen(  # noqa: S603
            [shutil.which(command[0], path=environment["PATH"]) or command[0], *command[1:]],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=added_to or subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that the tap and the loader can be stopped with it
        )
        try:
            output, log = process.communicate()
        finally:
            _stop(process)
        if process.returncode != 0:
            if self._log is not None:
                log = self._log.read_text(encoding="utf-8")
            last = "\n".join((log or "").splitlines()[-_LAST_LINES:])
            what = shlex.join(command[:2])
            message = f"`{what}` failed with exit code {process.returncode}\n{last}"
            raise MeltanoError(message.strip())
        return output, log or ""


def merge(one: Any, other: Any) -> Any:
    """Put two parts of a `meltano.yml` together: mappings key by key, lists end to end."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{k: merge(one[k], v) if k in one else v for k, v in other.items()}}
    return [*one, *other] if isinstance(one, list) else other


def put_on_path(folder: Path, program: str, package: str) -> None:
    """Have a folder of programs run one in an environment of its own, which uv keeps."""
    start = [uv(), "tool", "run", "--python", sys.executable, "--from", package, program]
    folder.mkdir(exist_ok=True)
    path = folder / program
    path.write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n', encoding="utf-8")
    path.chmod(0o700)


def uv() -> str:
    """Find uv, which runs Meltano and whatever else lives in an environment of its own."""
    found = os.environ.get("UV") or shutil.which("uv")  # `uv run` says where it is itself
    if found is None:
        message = "no uv here, which runs Meltano: `pip install uv`"
        raise MeltanoError(message)
    return found


def _environment_without_plugins() -> dict[str, str]:
    """Ours, less what would have us read a real Space or write to a real database."""
    ours = ("MELTANO_", "TAP_COMETLY_", "TARGET_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_STOP)
    with contextlib.suppress(ProcessLookupError):  # the tap and the loader may outlive Meltano
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
