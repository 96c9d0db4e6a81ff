"""The real target-snowflake with a fakesnow behind it, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.meltano import CHECKOUT, uv

if TYPE_CHECKING:
    from collections.abc import Mapping

# The target pins a version of the SDK that is not ours.
PACKAGES = ("meltanolabs-target-snowflake==0.20.4", "fakesnow==0.12.1")
OLDEST_PYTHON = (3, 11)
DRIVER = Path(__file__).with_name("fake_snowflake.py")
SECONDS_TO_LOAD = 140

_ACCOUNT = {
    "account": "nowhere",
    "user": "loader",
    "password": "not-a-secret",
    "database": "WAREHOUSE",
    "warehouse": "LOADING",
}


class SnowflakeError(RuntimeError):
    """The target failed; its log is the message."""


@dataclass(frozen=True)
class Loaded:
    """What a run of the target did, and the table as it then was."""

    output: str
    sql: list[str]
    """What the target sent."""
    types: dict[str, str]
    rows: dict[int, dict[str, Any]]
    """By id."""

    def sent(self, beginning: str) -> list[str]:
        return [sql for sql in self.sql if sql.startswith(beginning)]


class FakeSnowflake:
    """One Snowflake account; each schema has its own contacts."""

    def __init__(self, folder: Path) -> None:
        """Install the target and fakesnow; uv's cache makes that a matter of seconds."""
        self._folder = folder
        self._python = folder / "venv" / "bin" / "python"
        base = sys.executable if sys.version_info >= OLDEST_PYTHON else ">=3.11"
        _uv("venv", "--quiet", "--python", base, str(folder / "venv"))
        _uv("pip", "install", "--quiet", "--python", str(self._python), *PACKAGES)
        (folder / "tmp").mkdir()

    def load(self, messages: bytes, schema: str, **config: Any) -> Loaded:
        """Pipe a tap's output into the target."""
        home = self._folder / schema
        home.mkdir(exist_ok=True)
        settings = home / "config.json"
        settings.write_text(
            json.dumps({**_ACCOUNT, "default_target_schema": schema, **config}), "utf-8"
        )
        (home / "sql.jsonl").unlink(missing_ok=True)
        done = subprocess.run(  # noqa: S603, our own script
            [str(self._python), "-W", "ignore", str(DRIVER), str(home), str(settings)],
            input=messages,
            capture_output=True,
            check=False,
            timeout=SECONDS_TO_LOAD,
            env=_environment({"TMPDIR": str(self._folder / "tmp")}),
        )
        if done.returncode:
            raise SnowflakeError(done.stderr.decode())
        table = json.loads((home / "contacts.json").read_text("utf-8"))
        sql = (home / "sql.jsonl").read_text("utf-8").splitlines()
        rows = {row["ID"]: row for row in table["rows"]}
        return Loaded(done.stdout.decode(), [*map(json.loads, sql)], table["types"], rows)


def _uv(*arguments: str) -> None:
    # From the checkout, whose pyproject.toml says how new packages may be.
    subprocess.run([uv(), *arguments], cwd=CHECKOUT, check=True)  # noqa: S603


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, less what would have the target load a real account."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("TARGET_", "SNOWFLAKE_"))}
    return {**ours, **more}
