"""What is measured, and under which name it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.cost.bench import Bench, deselecting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.cost.measuring import Sink

TEXT = {"type": ["string", "null"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer"]},
        **dict.fromkeys(("email", "name", "phone", "location"), TEXT),
        "created_at": {**TEXT, "format": "date-time"},
        "comet_tokens": {"type": ["array", "null"], "items": {"type": ["string"]}},
    },
}
MAP = {"stream_maps": {"contacts": {"email": "md5(email)"}}}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 1}
WITHOUT = deselecting(SCHEMA, "phone")


@dataclass(frozen=True)
class Case:
    """One way to read contacts."""

    name: str
    label: str
    command: Callable[[Bench, int], list[str]]
    sink: Sink = "null"
    slow: bool = False
    """Measured with fewer contacts."""

    @property
    def ours(self) -> bool:
        return self.label.startswith("tap-cometly")


def _export(**settings: Any) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.tap(contacts, extraction_mode="export", **settings)


def _pages(bench: Bench, contacts: int) -> list[str]:
    return bench.tap(contacts, extraction_mode="pagination")


def _batch(bench: Bench, contacts: int) -> list[str]:
    return bench.tap(contacts, extraction_mode="export", batch_config=bench.batch_config())


def _deselected(bench: Bench, contacts: int) -> list[str]:
    return bench.tap(contacts, WITHOUT, extraction_mode="export")


def _file(bench: Bench, contacts: int) -> list[str]:
    return bench.file_to_records(contacts)


def _stock(catalog: object = None, **config: Any) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.stock_sdk(catalog, path=bench.file(contacts), **config)


def _on_file(environment: str, script: str) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.peer(environment, script, bench.file(contacts))


def _on_api(environment: str, script: str, path: str) -> Callable[[Bench, int], list[str]]:
    return lambda bench, contacts: bench.peer(environment, script, bench.url(contacts) + path)


GZIP = Case("gzip", "gzip -dc", lambda bench, contacts: ["gzip", "-dc", bench.file(contacts)])
FILE = Case("file", "tap-cometly, from the file", _file)
EXPORT = Case("export", "tap-cometly: HTTP, spool, verified", _export())
PAGES = Case("pages", "tap-cometly", _pages)
BATCH = Case("batch", "tap-cometly", _batch)
MAPPED = Case("map", "tap-cometly, stream map", _export(**MAP), slow=True)
DESELECTED = Case("deselect", "tap-cometly, column deselected", _deselected, slow=True)
FLATTENED = Case("flatten", "tap-cometly, flattening", _export(**FLAT), slow=True)
STOCK = Case("sdk", "Meltano SDK, stock Stream", _stock(), slow=True)
STOCK_PAGES = Case(
    "sdk pages",
    "Meltano SDK, stock RESTStream",
    lambda bench, contacts: bench.stock_sdk(api_url=bench.url(contacts)),
    slow=True,
)
STOCK_MAPPED = Case("sdk map", "Meltano SDK, stream map", _stock(**MAP), slow=True)
STOCK_DESELECTED = Case(
    "sdk deselect", "Meltano SDK, column deselected", _stock(WITHOUT), slow=True
)
STOCK_FLATTENED = Case("sdk flatten", "Meltano SDK, flattening", _stock(**FLAT), slow=True)

GROUPS: dict[str, tuple[Case, ...]] = {
    "Export file to RECORD lines": (
        GZIP,
        FILE,
        Case("file, pipe", "tap-cometly, from the file into a pipe", _file, sink="pipe"),
        EXPORT,
        Case("dlt", "dlt, only read", _on_file("dlt", "dlt_read"), slow=True),
        Case("singer", "singer-python", _on_file("singer-python", "singer_python"), slow=True),
        Case(
            "airbyte",
            "Airbyte CDK, declarative",
            _on_api("airbyte", "airbyte", "/files/all"),
            slow=True,
        ),
        STOCK,
        Case("sdk, pipe", "Meltano SDK, into a pipe", _stock(), sink="pipe", slow=True),
    ),
    "Pages of 5,000 to RECORD lines": (
        PAGES,
        Case("dlt pages", "dlt, only read", _on_api("dlt", "dlt_read", ""), slow=True),
        Case(
            "airbyte pages",
            "Airbyte CDK, declarative",
            _on_api("airbyte", "airbyte", "/contacts"),
            slow=True,
        ),
        STOCK_PAGES,
    ),
    "Export to files (BATCH, jsonl, gzip)": (
        BATCH,
        Case("dlt files", "dlt, to files of JSON lines", _on_file("dlt", "dlt_files"), slow=True),
    ),
    "What has to look at each record": (
        MAPPED,
        STOCK_MAPPED,
        DESELECTED,
        STOCK_DESELECTED,
        FLATTENED,
        STOCK_FLATTENED,
    ),
}
MODES = (FILE, EXPORT, PAGES, BATCH, MAPPED)
