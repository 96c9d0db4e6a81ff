"""What is measured: files, servers and configurations, and the commands that read them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.cost.data import START, beginning, created, made
from tests.support.running import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[3]

_TEXT = {"type": ["string", "null"]}
_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer"]},
        **dict.fromkeys(("email", "name", "phone", "location"), _TEXT),
        "created_at": {**_TEXT, "format": "date-time"},
        "comet_tokens": {"type": ["array", "null"], "items": {"type": ["string"]}},
    },
}
_WITHOUT_PHONE = {
    "streams": [
        {
            "tap_stream_id": "contacts",
            "stream": "contacts",
            "schema": _SCHEMA,
            "metadata": [
                {"breadcrumb": [], "metadata": {"selected": True}},
                {"breadcrumb": ["properties", "phone"], "metadata": {"selected": False}},
            ],
        }
    ]
}
_MAP = {"stream_maps": {"contacts": {"email": "md5(email)"}}}
_FLAT = {"flattening_enabled": True, "flattening_max_depth": 1}


class Bench(ExitStack):
    """Makes what the commands need, and starts their servers; nothing is left after `with`."""

    def __init__(self, contacts: int) -> None:
        super().__init__()
        scratch = tempfile.TemporaryDirectory(prefix="tap-cometly-bench-")
        self._folder = Path(self.enter_context(scratch))
        self._all = made(self._folder, contacts)
        self._urls: dict[int, str] = {}

    def file(self, contacts: int) -> str:
        """An export file."""
        return str(beginning(self._all, contacts))

    def url(self, contacts: int) -> str:
        """An API with so many contacts."""
        if contacts not in self._urls:
            command = [*module("server"), str(self._all), str(contacts)]
            server = self.enter_context(
                subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)  # noqa: S603
            )
            self.callback(server.terminate)
            assert server.stdout
            self._urls[contacts] = server.stdout.readline().strip()
        return self._urls[contacts]

    def settings(self, contacts: int) -> dict[str, Any]:
        """The tap's settings, for all of an API's contacts."""
        return {
            "api_key": "ck_bench",
            "api_url": self.url(contacts),
            "start_date": START.isoformat(),
            "end_date": created(contacts).isoformat(),
            "include_comet_tokens": True,
            "extraction_mode": "export",
        }

    def tap(self, contacts: int, catalog: object = None, **settings: Any) -> list[str]:
        return self._with_files([str(SCRIPT)], self.settings(contacts) | settings, catalog)

    def stock_sdk(self, catalog: object = None, **config: Any) -> list[str]:
        """A tap of the SDK as its template makes it."""
        return self._with_files(module("stock_sdk"), config, catalog)

    def batch_config(self) -> dict[str, Any]:
        """A new folder for BATCH files, and nothing left of the last one."""
        batches = self._folder / "batches"
        shutil.rmtree(batches, ignore_errors=True)
        batches.mkdir()
        return {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": batches.as_uri()},
        }

    def _with_files(self, command: list[str], config: object, catalog: object) -> list[str]:
        arguments = [f"--config={self._json(config)}"]
        if catalog is not None:
            arguments.append(f"--catalog={self._json(catalog)}")
        return [*command, *arguments]

    def _json(self, content: object) -> str:
        with tempfile.NamedTemporaryFile(
            "w", dir=self._folder, suffix=".json", delete=False
        ) as file:
            json.dump(content, file)
        return file.name


def module(name: str) -> list[str]:
    """The command for one of the bench's own modules."""
    return [sys.executable, "-m", f"tests.bench.cost.{name}"]


@dataclass(frozen=True)
class Case:
    """One way to read contacts."""

    name: str
    label: str
    command: Callable[[Bench, int], list[str]]
    into_pipe: bool = False
    slow: bool = False
    """Measured with fewer contacts."""


def _export(catalog: object = None, **settings: Any) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.tap(contacts, catalog, **settings)


def _file(bench: Bench, contacts: int) -> list[str]:
    return [*module("file_to_records"), bench.file(contacts)]


def _batch(bench: Bench, contacts: int) -> list[str]:
    return bench.tap(contacts, batch_config=bench.batch_config())


def _stock(catalog: object = None, **config: Any) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.stock_sdk(catalog, path=bench.file(contacts), **config)


def _stock_pages(bench: Bench, contacts: int) -> list[str]:
    return bench.stock_sdk(api_url=bench.url(contacts))


GZIP = Case("gzip", "gzip -dc", lambda bench, contacts: ["gzip", "-dc", bench.file(contacts)])
FILE = Case("file", "tap-cometly, from the file", _file)
EXPORT = Case("export", "tap-cometly: HTTP, spool, verified", _export())
PAGES = Case("pages", "tap-cometly", _export(extraction_mode="pagination"))
BATCH = Case("batch", "tap-cometly", _batch)
MAPPED = Case("map", "tap-cometly, stream map", _export(**_MAP))
STOCK = Case("sdk", "Meltano SDK, stock Stream", _stock(), slow=True)

GROUPS: dict[str, tuple[Case, ...]] = {
    "Export file to RECORD lines": (
        GZIP,
        FILE,
        Case("file, pipe", "tap-cometly, from the file into a pipe", _file, into_pipe=True),
        EXPORT,
        STOCK,
        Case("sdk, pipe", "Meltano SDK, into a pipe", _stock(), into_pipe=True, slow=True),
    ),
    "Pages of 5,000 to RECORD lines": (
        PAGES,
        Case("sdk pages", "Meltano SDK, stock RESTStream", _stock_pages, slow=True),
    ),
    "Export to files (BATCH, jsonl, gzip)": (BATCH,),
    "What needs each record by itself": (
        MAPPED,
        Case("sdk map", "Meltano SDK, stream map", _stock(**_MAP), slow=True),
        Case("deselect", "tap-cometly, column deselected", _export(_WITHOUT_PHONE)),
        Case("sdk deselect", "Meltano SDK, column deselected", _stock(_WITHOUT_PHONE), slow=True),
        Case("flatten", "tap-cometly, flattening", _export(**_FLAT)),
        Case("sdk flatten", "Meltano SDK, flattening", _stock(**_FLAT), slow=True),
    ),
}
MODES = (FILE, EXPORT, PAGES, BATCH, MAPPED)
"""Those whose memory is measured."""
