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
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

MELTANO = "meltano==4.4.1"
ENVIRONMENT = "prod"
CHECKOUT = Path(__file__).parents[2]
SECONDS_TO_STOP = 10

_LAST_LINES = 40


class MeltanoError(RuntimeError):
    """Meltano is not there, or it failed; its log says why."""


class MeltanoProject:
    """Nothing of it is left after the `with` block but uv's cache of downloads."""

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        plugins: Mapping[str, Any] | None = None,
        quiet: bool = False,
    ) -> None:
        """Prepare.

        Args:
            settings: The plugins' settings, as the environment variables Meltano reads.
            plugins: Further ones, as under `plugins` in a `meltano.yml`.
            quiet: Whether Meltano's log is kept for errors instead of shown.
        """
        self._environment = _environment_without_plugins() | dict(settings)
        self._plugins = plugins or {}
        self._quiet = quiet
        self._directory = TemporaryDirectory(prefix="tap-cometly-meltano-")

    def __enter__(self) -> Self:
        definition = yaml.safe_load((CHECKOUT / "meltano.yml").read_text(encoding="utf-8"))
        plugins: dict[str, list[dict[str, Any]]] = definition["plugins"]
        plugins["extractors"][0]["pip_url"] = f"-e {shlex.quote(str(CHECKOUT))}"
        for kind, more in self._plugins.items():
            plugins.setdefault(kind, []).extend(more)
        Path(self._directory.name, "meltano.yml").write_text(
            yaml.safe_dump(definition, sort_keys=False), encoding="utf-8"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._directory.cleanup()

    @property
    def folder(self) -> Path:
        return Path(self._directory.name)

    def run(
        self,
        *blocks: str,
        settings: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> str:
        """Run extractors into loaders, as a scheduler would; answers the log if it is kept."""
        return self._meltano("run", *options, *blocks, settings=settings or {})[1]

    def bookmark(self, extractor: str, loader: str, suffix: str = "") -> str:
        """Where Meltano would have the next run go on."""
        state_id = ":".join(filter(None, [ENVIRONMENT, f"{extractor}-to-{loader}", suffix]))
        silent = {"MELTANO_CLI_LOG_LEVEL": "error"}
        state = json.loads(self._meltano("state", "get", state_id, settings=silent)[0])
        return str(state["singer_state"]["bookmarks"]["contacts"]["replication_key_value"])

    def _meltano(self, *arguments: str, settings: Mapping[str, str]) -> tuple[str, str]:
        meltano = [uv(), "tool", "run", "--python", sys.executable, "--from", MELTANO, "meltano"]
        process = subprocess.Popen(  # noqa: S603
            [*meltano, f"--environment={ENVIRONMENT}", *arguments],
            cwd=self._directory.name,
            env=self._environment | dict(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._quiet else None,
            text=True,
            start_new_session=True,  # so that the tap and the loader can be stopped with it
        )
        try:
            output, log = process.communicate()
        finally:
            _stop(process)
        if process.returncode != 0:
            last = "\n".join((log or "").splitlines()[-_LAST_LINES:])
            message = f"`meltano {arguments[0]}` failed with exit code {process.returncode}\n{last}"
            raise MeltanoError(message.strip())
        return output, log or ""


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
