"""target-snowflake, as it is, into a Snowflake that is played by fakesnow on DuckDB.

    python fake_snowflake.py FOLDER CONFIG < messages

prints what the target prints. The database lives in FOLDER from run to run; FOLDER/sql.jsonl has
each statement that the target sent, FOLDER/contacts.json the table as it then was. This runs in an
environment of its own (see `snowflake_target.py` beside it), so it imports nothing of ours.

Fakesnow 0.12.1 does not know the user stage (`@~`) nor DROP FILE FORMAT. What the target sends
for them is played here, after Snowflake's manual: PUT compresses files, the stage is read as rows
of one column `$1`, and what names a file format fails when there is no such one.
"""

# ruff: noqa: SLF001 - what fakesnow lacks has to be added inside of it
from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import fakesnow  # type: ignore[import-not-found]
import snowflake.connector  # type: ignore[import-not-found]
from fakesnow.cursor import FakeSnowflakeCursor  # type: ignore[import-not-found]
from fakesnow.transforms.file_format import (  # type: ignore[import-not-found]
    lookup_file_format,
)
from target_snowflake.target import TargetSnowflake  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATABASE = "WAREHOUSE"

PUT = re.compile(r"put 'file://(?P<file>[^']+)' '@~/(?P<stage>[^']+)'")
REMOVE = re.compile(r"remove '@~/(?P<stage>[^']+)/'")
DROP_FILE_FORMAT = re.compile(r"drop file format if exists (?P<format>\S+)")
MERGE = re.compile(
    r"(?P<into>merge into .* using )\((?P<select>select .*) from '@~/(?P<stage>[^']+)'"
    r"\(file_format => (?P<format>\S+)\) (?P<latest>QUALIFY .* = 1)\)(?P<rest> s on .*)"
)

_STAGED = f"{DATABASE}.PUBLIC.STAGED"
_SELECTED = f"{DATABASE}.PUBLIC.SELECTED"


class UserStage:
    """The files of `@~`, and the statements about them."""

    def __init__(self, folder: Path, execute: Callable[..., Any]) -> None:
        self._files = folder / "stage"
        self._log = folder / "sql.jsonl"
        self._execute = execute

    def execute(
        self, cursor: Any, command: str, params: Any = None, *rest: Any, **more: Any
    ) -> Any:
        """Run a statement: here if it is one of the four, else in fakesnow."""
        sql = command % _quoted(params) if params else command
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(sql) + "\n")
        for statement, play in self._played().items():
            if found := statement.match(sql):
                play(cursor, found)
                return cursor
        return self._execute(cursor, command, params, *rest, **more)

    def _played(self) -> dict[re.Pattern[str], Callable[[Any, re.Match[str]], None]]:
        return {
            PUT: self._put,
            REMOVE: self._remove,
            DROP_FILE_FORMAT: self._drop_file_format,
            MERGE: self._merge,
        }

    def _put(self, cursor: Any, sql: re.Match[str]) -> None:
        source, stage = Path(sql["file"]), self._files / sql["stage"]
        stage.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        name = source.name if source.suffix == ".gz" else f"{source.name}.gz"
        (stage / name).write_bytes(content if name == source.name else gzip.compress(content))
        self._execute(cursor, f"select '{source.name}' as source, 'UPLOADED' as status")

    def _remove(self, cursor: Any, sql: re.Match[str]) -> None:
        shutil.rmtree(self._files / sql["stage"], ignore_errors=True)
        self._execute(cursor, f"select '{sql['stage']}' as name, 'removed' as result")

    def _drop_file_format(self, cursor: Any, sql: re.Match[str]) -> None:
        database, schema, name = _parts(sql["format"])
        cursor._duck_conn.execute(
            "delete from _fs_global._fs_information_schema._fs_file_formats"
            " where database_name = ? and schema_name = ? and name = ?",
            [database, schema, name],
        )
        self._execute(cursor, f"select '{name} successfully dropped.' as status")

    def _merge(self, cursor: Any, sql: re.Match[str]) -> None:
        self._load(cursor, sql)
        select = _of_records(f"{sql['select']} from {_STAGED} {sql['latest']}")
        self._execute(cursor, f"create or replace table {_SELECTED} as {select}")
        # Fakesnow plays MERGE with a table of its own, and asserts that a schema is in use.
        cursor._conn._schema = cursor._conn._schema or "PUBLIC"
        self._execute(cursor, f"{sql['into']}{_SELECTED}{sql['rest']}")

    def _load(self, cursor: Any, sql: re.Match[str]) -> None:
        """Make a table of the rows that are staged there."""
        duck = cursor._duck_conn
        assert lookup_file_format(duck, sql["format"], None, None)["TYPE"] == "JSON"
        files = sorted((self._files / sql["stage"]).iterdir())
        lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
        duck.execute(f"create schema if not exists {DATABASE}.PUBLIC")
        duck.execute(f"create or replace table {_STAGED} (NUMBER integer, RECORD json)")
        staged = [list(range(len(lines))), [line.decode() for line in lines]]
        duck.execute(f"insert into {_STAGED} select unnest(?), unnest(?)", staged)


def _of_records(sql: str) -> str:
    return sql.replace("$1:", "RECORD:").replace("SEQ8()", "NUMBER")


def _quoted(params: dict[str, Any]) -> dict[str, str]:
    return {name: f"'{value}'" for name, value in params.items()}


def _parts(name: str) -> list[str]:
    return [part.strip('"') for part in name.split(".", 2)]


@contextmanager
def warehouse(folder: Path) -> Iterator[None]:
    execute = FakeSnowflakeCursor.execute
    stage = UserStage(folder, execute)

    def noted(cursor: Any, *args: Any, **kwargs: Any) -> Any:
        return stage.execute(cursor, *args, **kwargs)

    with (
        fakesnow.patch(db_path=folder),
        mock.patch.object(FakeSnowflakeCursor, "execute", noted),
    ):
        yield


def show(cursor: Any, table: str) -> dict[str, Any]:
    """Columns with their types, and rows, as Snowflake tells them."""
    described = cursor.execute(f"describe table {table}").fetchall()
    names = [name for name, *_ in described]
    rows = cursor.execute(f"select * from {table} order by id").fetchall()  # noqa: S608
    return {
        "types": {name: kind for name, kind, *_ in described},
        "rows": [dict(zip(names, row, strict=True)) for row in rows],
    }


def main(folder: Path, config: Path) -> None:
    settings = json.loads(config.read_text("utf-8"))
    with warehouse(folder):
        TargetSnowflake.cli(["--config", str(config)], standalone_mode=False)
        connection = snowflake.connector.connect(database=settings["database"])
        table = f"{settings['default_target_schema']}.CONTACTS"
        found = show(connection.cursor(), table)
    (folder / "contacts.json").write_text(json.dumps(found, default=str), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
