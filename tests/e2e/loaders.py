"""Loads contacts through loaders that others wrote, and compares: `python -m tests.e2e.loaders`.

    python -m tests.e2e.loaders                    # all of them
    python -m tests.e2e.loaders target-jsonl       # those whose name begins like this

60,000 contacts with tokens and e-mails, then an incremental run with lookback. Each loader gets an
environment of its own and a few minutes at most. Prints a table in Markdown; needs no server.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.sandbox import Options, Sandbox
from tests.support.meltano import uv
from tests.support.postgres import Postgres
from tests.support.properties import PLENTY
from tests.support.running import launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.support.running import Run

OLD, RECENT, NEW, CHANGED = 59_000, 1_000, 1_000, 700
LOOKBACK_DAYS = 30
SECONDS_TO_INSTALL = 180
SECONDS_TO_LOAD = 240

ODD_NAMES = (
    "tab\there",
    "line\nbreak",
    "back\\slash, 'single' and \"double\" quotes",
    "emoji 👩‍🚀",
    "line\u2028separator",
    "x" * 5_000,
    "",
    "NULL",
)
LARGEST_ID = 2**63 - 1

Row = dict[str, Any]
Rows = dict[int, Row]


@dataclass(frozen=True)
class Place:
    """Where a loader may load to."""

    folder: Path
    postgres: Postgres
    schema: str

    def of_run(self, number: int) -> str:
        """A folder for the files of one run."""
        folder = self.folder / f"run-{number}"
        folder.mkdir(exist_ok=True)
        return str(folder)


@dataclass(frozen=True)
class Loader:
    """A loader, how it is set up, and where its rows are found."""

    name: str
    packages: tuple[str, ...]
    executable: str
    config: Callable[[Place, int], Row]
    """For a run, the first is 1."""
    rows: Callable[[Place, Path], Iterable[Row]]
    """Later rows of an id replace earlier ones. Given the environment's Python, too."""
    settings: str = ""
    """Those that matter, in words."""
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"


def _postgres(place: Place, _: int) -> Row:
    server = place.postgres
    return {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
        "default_target_schema": place.schema,
    }


def _postgres_of_pipelinewise(place: Place, run: int) -> Row:
    config = _postgres(place, run)
    return {**config, "dbname": config.pop("database")}


def _rows_of_postgres(place: Place, _: Path) -> list[Row]:
    everything = SQL("SELECT * FROM {}.contacts").format(Identifier(place.schema))
    with psycopg.connect(place.postgres.url, row_factory=dict_row) as connection:
        return connection.execute(everything).fetchall()


def _rows_of_duckdb(place: Place, python: Path) -> list[Row]:
    code = (
        "import duckdb, json, sys\n"
        "database = duckdb.connect(sys.argv[1], read_only=True)\n"
        "found = database.execute('SELECT * FROM main.contacts')\n"
        "names = [column[0] for column in found.description]\n"
        "print(json.dumps([dict(zip(names, row)) for row in found.fetchall()], default=str))\n"
    )
    command = [str(python), "-c", code, str(place.folder / "contacts.duckdb")]
    found = subprocess.run(command, check=True, capture_output=True, timeout=SECONDS_TO_LOAD)  # noqa: S603
    rows: list[Row] = json.loads(found.stdout)
    return rows


def _rows_of_jsonl(place: Place, _: Path) -> Iterator[Row]:
    for file in sorted(place.folder.glob("run-*/*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _rows_of_csv(place: Place, _: Path) -> Iterator[Row]:
    for file in sorted(place.folder.glob("run-*/*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)


MELTANO_POSTGRES = Loader(
    "meltanolabs-target-postgres 0.8.1",
    ("meltanolabs-target-postgres==0.8.1",),
    "target-postgres",
    _postgres,
    _rows_of_postgres,
    "none",
)
DUCKDB = Loader(
    "target-duckdb 0.8.0, newest duckdb",
    ("target-duckdb==0.8.0", "setuptools<80"),
    "target-duckdb",
    lambda place, _: {
        "filepath": str(place.folder / "contacts.duckdb"),
        "default_target_schema": "main",
    },
    _rows_of_duckdb,
)
LOADERS = (
    Loader(
        "target-jsonl 0.1.4",
        ("target-jsonl==0.1.4",),
        "target-jsonl",
        lambda place, run: {"destination_path": place.of_run(run), "do_timestamp_file": False},
        _rows_of_jsonl,
    ),
    replace(
        MELTANO_POSTGRES,
        config=lambda place, run: {
            **_postgres(place, run),
            "use_copy": True,
            "validate_records": False,
        },
        settings="`use_copy: true`",
    ),
    replace(MELTANO_POSTGRES, settings="`PGTZ=UTC`", environment={"PGTZ": "UTC"}),
    MELTANO_POSTGRES,
    Loader(
        "pipelinewise-target-postgres 2.1.2",
        ("pipelinewise-target-postgres==2.1.2", "setuptools<80"),
        "target-postgres",
        _postgres_of_pipelinewise,
        _rows_of_postgres,
        python="3.10",
    ),
    DUCKDB,
    replace(
        DUCKDB,
        name="target-duckdb 0.8.0, duckdb 1.0.0",
        packages=(*DUCKDB.packages, "duckdb==1.0.0"),
    ),
    Loader(
        "meltanolabs-target-csv 0.5.0",
        ("meltanolabs-target-csv==0.5.0",),
        "target-csv",
        lambda place, run: {
            "output_path": place.of_run(run),
            "file_naming_scheme": "{stream_name}.csv",
        },
        _rows_of_csv,
        "a folder for each run",
    ),
    Loader(
        "target-csv 0.3.0",
        ("target-csv==0.3.0", "setuptools<80"),
        "target-csv",
        lambda place, run: {"destination_path": place.of_run(run)},
        _rows_of_csv,
        "a folder for each run",
        python="3.8",
    ),
)


class LoaderError(Exception):
    """A loader cannot be installed, or fails; the message is its last line."""


@dataclass(frozen=True)
class Source:
    """What the tap wrote in two runs, and the rows that are to come of it."""

    runs: tuple[bytes, bytes]
    rows: tuple[Rows, Rows]


def source() -> Source:
    """Read a Space twice, as a schedule with lookback would."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    recently = now - timedelta(days=LOOKBACK_DAYS - 5)
    config = {
        "settle_seconds": 0,
        "include_comet_tokens": True,
        "include_all_emails": True,
        "lookback_days": LOOKBACK_DAYS,
    }
    with Sandbox(Options(limits=PLENTY, queued_seconds=0)) as cometly:
        space = cometly.space
        space.fill(OLD - len(ODD_NAMES), datetime(2024, 1, 2, tzinfo=timezone.utc), recently)
        for name in ODD_NAMES:
            space.add(created_at=recently, name=name, email="odd@example.com", comet_tokens=[name])
        recent = space.fill(RECENT, recently, now - timedelta(days=1))
        first = launch(cometly, config)

        for contact in recent[:CHANGED]:
            space.change(
                contact, name=f"Completed {contact}", emails=["a@example.com", "b@example.com"]
            )
        space.fill(NEW - 1, now - timedelta(hours=12), now - timedelta(hours=1))
        space.add(id=LARGEST_ID, created_at=now - timedelta(minutes=1), name="The largest id")
        second = launch(cometly, config, first.state)
    before = _by_id(_records(first))
    return Source((first.raw, second.raw), (before, {**before, **_by_id(_records(second))}))


def _records(run: Run) -> list[Row]:
    if run.exit != 0:
        raise SystemExit(run.log)
    return run.records


def _by_id(rows: Iterable[Row]) -> Rows:
    return {int(row["id"]): row for row in rows}


def load(loader: Loader, source: Source, place: Place) -> list[str]:
    """Load both runs; answers the cells of its line in the table."""
    cells = [loader.name, loader.settings or "none"]
    try:
        began = time.monotonic()
        programs = _install(loader, place.folder / "venv")
        cells.append(f"{time.monotonic() - began:.0f} s")
        for number, (messages, rows) in enumerate(zip(source.runs, source.rows, strict=True), 1):
            began = time.monotonic()
            _run(loader, programs, messages, place, number)
            seconds = time.monotonic() - began
            loaded = _by_id(loader.rows(place, programs / "python"))
            cells.append(f"{_compared(loaded, rows)}, {seconds:.0f} s")
    except (LoaderError, OSError, ValueError, LookupError, psycopg.Error) as error:
        cells.append(f"fails: {_last_line(str(error)) or type(error).__name__}")
    except subprocess.SubprocessError as error:
        cells.append(f"fails: {type(error).__name__}")
    return cells + [""] * (len(HEAD) - len(cells))


def _install(loader: Loader, folder: Path) -> Path:
    """Create its environment; answers the folder of its programs."""
    programs = folder / "bin"
    python = str(programs / "python")
    for command in (
        ["venv", "--quiet", "--python", _interpreter(loader.python), str(folder)],
        ["pip", "install", "--quiet", "--python", python, *loader.packages],
    ):
        done = subprocess.run(  # noqa: S603
            [uv(), *command], check=False, capture_output=True, timeout=SECONDS_TO_INSTALL
        )
        if done.returncode != 0:
            raise LoaderError(done.stderr.decode(errors="replace"))
    return programs


def _interpreter(version: str) -> str:
    """One of that version: pyenv's, or whatever uv finds."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    return str(found[-1]) if found else version


def _run(loader: Loader, programs: Path, messages: bytes, place: Place, number: int) -> None:
    config = place.folder / "config.json"
    config.write_text(json.dumps(loader.config(place, number)), "utf-8")
    done = subprocess.run(  # noqa: S603
        [str(programs / loader.executable), "--config", str(config)],
        input=messages,
        check=False,
        capture_output=True,
        timeout=SECONDS_TO_LOAD,
        cwd=place.folder,
        env={**os.environ, **loader.environment},
    )
    if done.returncode != 0:
        raise LoaderError(done.stderr.decode(errors="replace"))


def _compared(loaded: Rows, expected: Rows) -> str:
    """How the loaded rows differ from the expected ones, in words."""
    found = []
    if missing := expected.keys() - loaded.keys():
        found.append(f"{len(missing):,} missing")
    if unknown := loaded.keys() - expected.keys():
        found.append(f"{len(unknown):,} unknown")
    for column in next(iter(expected.values())):
        differing = [
            key
            for key in expected.keys() & loaded.keys()
            if _plain(column, loaded[key].get(column)) != _plain(column, expected[key][column])
        ]
        if differing:
            found.append(f"`{column}` differs in {len(differing):,}")
    return "; ".join(found) or f"exact ({len(loaded):,})"


def _plain(column: str, value: Any) -> Any:
    """A value as all stores can have it: text for text, UTC for times, lists for lists.

    What is missing in a CSV file may have been null or an empty text, an empty list or none.
    """
    if value is None or value in ("", [], "[]"):
        return None
    if column == "id":
        return int(value)
    if column == "created_at":
        return _utc(value)
    if column in {"emails", "comet_tokens"} and isinstance(value, str):
        return _list(value)
    return value


def _utc(value: Any) -> datetime:
    text = str(value).replace("Z", "+00:00")
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(text)
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def _list(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:150].replace("|", "\\|") if lines else ""


HEAD = ("loader", "settings", "install", "first run", "incremental, with lookback")


def _line(cells: Iterable[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def main(wanted: list[str]) -> None:
    """Load through all loaders, or those whose names begin as wanted."""
    loaders = [
        loader
        for loader in LOADERS
        if not wanted or any(loader.name.startswith(name) for name in wanted)
    ]
    read = source()
    counts = " and ".join(f"{len(rows):,}" for rows in read.rows)
    sys.stderr.write(f"Rows that should be there after each run: {counts}\n")
    _line(HEAD)
    _line(["---"] * len(HEAD))
    with Postgres() as postgres:
        # Not UTC, so that a loader that takes the session's zone for granted is found out.
        postgres.query("ALTER ROLE postgres SET timezone TO 'America/New_York'")
        for number, loader in enumerate(loaders):
            with TemporaryDirectory(prefix="tap-cometly-loader-") as folder:
                _line(load(loader, read, Place(Path(folder), postgres, f"loader_{number}")))


if __name__ == "__main__":
    main(sys.argv[1:])
