"""Files, servers, configurations and environments that the measured commands need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.cost.data import START, beginning, created, made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

CACHE = Path.home() / ".cache" / "tap-cometly-bench"
CHECKOUT = Path(__file__).parents[3]
PEERS = Path(__file__).with_name("peers")
PACKAGES = {
    "singer-sdk": "singer-sdk==0.54.9",
    "singer-python": "singer-python==6.8.0",
    "dlt": "dlt[filesystem]==1.31.0",
    "airbyte": "airbyte-cdk==7.39.1",
}


class Bench:
    """Makes what the commands need, and starts their servers.

    Servers are stopped at the end of the `with` block; files and environments stay in a cache.
    """

    def __init__(self, contacts: int, cache: Path = CACHE) -> None:
        self._all = made(cache / "data", contacts)
        self._cache = cache
        self._made: set[str] = set()  # environments
        self._servers: dict[int, tuple[subprocess.Popen[str], str]] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="tap-cometly-bench-")
        self.batches = Path(self._scratch.name, "batches")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server, _ in self._servers.values():
            server.terminate()
            server.wait()
            if server.stdout:
                server.stdout.close()
        self._scratch.cleanup()

    def file(self, contacts: int) -> str:
        """An export file."""
        return str(beginning(self._all, contacts))

    def url(self, contacts: int) -> str:
        """An API with so many contacts."""
        if contacts not in self._servers:
            server = subprocess.Popen(  # noqa: S603, our own module
                [*module("server"), str(self._all), str(contacts)],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert server.stdout
            self._servers[contacts] = server, server.stdout.readline().strip()
        return self._servers[contacts][1]

    def tap(self, contacts: int, catalog: object = None, **settings: Any) -> list[str]:
        """The tap's command line; settings as in its configuration."""
        config = self.settings(contacts) | settings
        files = [f"--config={self._json(config)}"]
        if catalog is not None:
            files.append(f"--catalog={self._json(catalog)}")
        return [str(Path(self._python("tap-cometly")).with_name("tap-cometly")), *files]

    def settings(self, contacts: int) -> dict[str, Any]:
        """The tap's settings, for all of an API's contacts."""
        return {
            "api_key": "ck_bench",
            "api_url": self.url(contacts),
            "start_date": START.isoformat(),
            "end_date": created(contacts).isoformat(),
            "include_comet_tokens": True,
        }

    def file_to_records(self, contacts: int) -> list[str]:
        """The tap's own code between an export file and standard output."""
        return [*module("file_to_records", self._python("tap-cometly")), self.file(contacts)]

    def batch_config(self) -> dict[str, Any]:
        """A new folder for BATCH files, and nothing left of the last one."""
        shutil.rmtree(self.batches, ignore_errors=True)
        self.batches.mkdir()
        return {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": self.batches.as_uri()},
        }

    def stock_sdk(self, catalog: object = None, **config: Any) -> list[str]:
        """A stock tap of the SDK."""
        command = [*self.peer("singer-sdk", "stock_sdk"), f"--config={self._json(config)}"]
        return [*command, f"--catalog={self._json(catalog)}"] if catalog is not None else command

    def peer(self, environment: str, script: str, *arguments: str) -> list[str]:
        """A script in an environment of its own."""
        return [self._python(environment), str(PEERS / f"{script}.py"), *arguments]

    def _python(self, environment: str) -> str:
        folder = self._cache / "envs" / environment
        python = folder / "bin" / "python"
        ours = environment == "tap-cometly"  # it is made anew each time, for it may have changed
        if environment not in self._made and (ours or not (folder / "ready").exists()):
            package = ["--editable", str(CHECKOUT)] if ours else [PACKAGES[environment]]
            uv = os.environ.get("UV") or shutil.which("uv") or "uv"
            for arguments in (
                ["venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
                ["pip", "install", "--quiet", "--compile-bytecode", f"--python={python}", *package],
            ):
                subprocess.run([uv, *arguments], check=True)  # noqa: S603
            (folder / "ready").touch()
            self._made.add(environment)
        return str(python)

    def _json(self, content: object) -> str:
        with tempfile.NamedTemporaryFile(
            "w", dir=self._scratch.name, suffix=".json", delete=False
        ) as file:
            json.dump(content, file)
        return file.name


def module(name: str, python: str = sys.executable) -> list[str]:
    """The command for one of the bench's own modules."""
    return [python, "-m", f"tests.bench.cost.{name}"]


def deselecting(schema: Mapping[str, Any], column: str) -> dict[str, Any]:
    """A catalog without one of the columns."""
    metadata: Sequence[dict[str, Any]] = [
        {"breadcrumb": [], "metadata": {"selected": True}},
        {"breadcrumb": ["properties", column], "metadata": {"selected": False}},
    ]
    stream = {
        "tap_stream_id": "contacts",
        "stream": "contacts",
        "schema": schema,
        "metadata": metadata,
    }
    return {"streams": [stream]}
