"""A Meltano project for an hour: this checkout's `meltano.yml`, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

MELTANO = "meltano==4.4.1"
ENVIRONMENT = "prod"
STATE_ID = f"{ENVIRONMENT}:tap-cometly-to-target-postgres"
CHECKOUT = Path(__file__).parents[2]
SECONDS_TO_STOP = 10


class MeltanoError(RuntimeError):
    """Meltano is not there, or it failed; its log above says why."""


class MeltanoProject:
    """Nothing of it is left after the `with` block but uv's cache of downloads."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Take the plugins' settings, as the environment variables Meltano reads."""
        self._environment = _environment_without_plugins() | dict(settings)
        self._directory = TemporaryDirectory(prefix="tap-cometly-demo-")

    def __enter__(self) -> Self:
        definition = (CHECKOUT / "meltano.yml").read_text(encoding="utf-8")
        here = f"pip_url: -e {shlex.quote(str(CHECKOUT))}"
        Path(self._directory.name, "meltano.yml").write_text(
            definition.replace("pip_url: -e .", here), encoding="utf-8"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._directory.cleanup()

    def run(self, **tap_settings: str) -> None:
        """Move contacts from Cometly to PostgreSQL, as a scheduler would."""
        settings = {f"TAP_COMETLY_{name.upper()}": value for name, value in tap_settings.items()}
        self._meltano("run", "tap-cometly", "target-postgres", settings=settings)

    def bookmark(self) -> str:
        """Where Meltano would have the next run go on."""
        state = self._meltano("state", "get", STATE_ID, settings={"MELTANO_CLI_LOG_LEVEL": "error"})
        bookmarks = json.loads(state)["singer_state"]["bookmarks"]
        return str(bookmarks["contacts"]["replication_key_value"])

    def _meltano(self, *arguments: str, settings: Mapping[str, str]) -> str:
        meltano = [_uv(), "tool", "run", "--python", sys.executable, "--from", MELTANO, "meltano"]
        process = subprocess.Popen(  # noqa: S603
            [*meltano, f"--environment={ENVIRONMENT}", *arguments],
            cwd=self._directory.name,
            env=self._environment | dict(settings),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that the tap and the loader can be stopped with it
        )
        try:
            output, _ = process.communicate()
        finally:
            _stop(process)
        if process.returncode != 0:
            message = f"`meltano {arguments[0]}` failed with exit code {process.returncode}"
            raise MeltanoError(message)
        return output


def _environment_without_plugins() -> dict[str, str]:
    """Ours, less what would have the demo read a real Space or write to a real database."""
    ours = ("MELTANO_", "TAP_COMETLY_", "TARGET_POSTGRES_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _uv() -> str:
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` says where it is itself
    if uv is None:
        message = "no uv here, which runs Meltano: `pip install uv`"
        raise MeltanoError(message)
    return uv


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_STOP)
    with contextlib.suppress(ProcessLookupError):  # the tap and the loader may outlive Meltano
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
