"""The tables of settings and columns in README.md."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from tap_cometly.config import SETTINGS_SCHEMA
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.tap import TapCometly

if TYPE_CHECKING:
    from tap_cometly.contacts.schema import Field, Kind

README = Path(__file__).parents[2] / "README.md"
_KINDS: dict[Kind, str] = {
    "id": "integer",
    "time": "date-time",
    "text": "text",
    "texts": "list of texts",
    "number": "number",
    "date": "date",
}

_DEFAULTS_IN_WORDS = {"end_date": "now"}
_SDK_SETTINGS = (
    "These come with the SDK; its documentation explains "
    "[stream maps](https://sdk.meltano.com/en/latest/stream_maps.html) and flattening."
)


def about() -> dict[str, Any]:
    """What `tap-cometly --about --format json` prints."""
    printed = CliRunner().invoke(TapCometly.cli, ["--about", "--format", "json"])
    described: dict[str, Any] = json.loads(printed.stdout)
    return described


def settings() -> str:
    """The tap's own settings, and below them the SDK's."""
    schema = about()["settings"]
    properties: dict[str, dict[str, Any]] = schema["properties"]
    required = set(schema["required"])
    own = [
        f"| `{name}` | {_default(name, setting, required)} | {_meaning(setting)} |"
        for name, setting in properties.items()
        if name in SETTINGS_SCHEMA["properties"]
    ]
    others = [
        f"| `{name}` | {_first_sentence(setting)} |"
        for name, setting in properties.items()
        if name not in SETTINGS_SCHEMA["properties"]
    ]
    head = ["| name | default | meaning |", "| --- | --- | --- |"]
    other_head = ["| name | meaning |", "| --- | --- |"]
    return "\n".join([*head, *own, "", _SDK_SETTINGS, "", *other_head, *others])


def columns() -> str:
    """What is delivered, and what asks for it; neighbours of one kind in one row."""
    rows = ["| column | type | meaning | asked for by |", "| --- | --- | --- | --- |"]
    for (kind, option), group in groupby(FIELDS, lambda field: (field.kind, field.option)):
        fields = list(group)
        asked = f"`{option}`" if option else "always there"
        if len(fields) > 1 and option:
            rows.append(f"| {_span(fields)} | {_KINDS[kind]} | Custom fields. | {asked} |")
            continue
        rows += [f"| `{f.name}` | {_KINDS[kind]} | {f.description} | {asked} |" for f in fields]
    return "\n".join(rows)


def _span(fields: list[Field]) -> str:
    return f"`{fields[0].name}` to `{fields[-1].name}`"


def marks(table: str) -> tuple[str, str]:
    """What stands around a table."""
    return f"<!-- {table} -->", f"<!-- /{table} -->"


def rewritten(text: str) -> str:
    """A README with the tables as they should be."""
    for table in (settings, columns):
        begin, end = marks(table.__name__)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


def _default(name: str, schema: dict[str, Any], required: set[str]) -> str:
    if name in required:
        return "required"
    if "default" not in schema:
        return _DEFAULTS_IN_WORDS[name]
    default = schema["default"]
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _meaning(schema: dict[str, Any]) -> str:
    parts = [schema["description"], _choices(schema), _bounds(schema)]
    return " ".join(part for part in parts if part)


def _choices(schema: dict[str, Any]) -> str:
    choices = ", ".join(f"`{choice}`" for choice in schema.get("enum", []))
    return choices and f"One of {choices}."


def _bounds(schema: dict[str, Any]) -> str:
    if "maximum" not in schema:
        return ""
    most = f"{schema['maximum']:,}"
    if "exclusiveMinimum" in schema:
        return f"Above {schema['exclusiveMinimum']}, at most {most}."
    return f"{schema['minimum']} to {most}."


def _first_sentence(schema: dict[str, Any]) -> str:
    sentence: str = schema["description"].partition(". ")[0]
    return sentence.removesuffix(".") + "."
