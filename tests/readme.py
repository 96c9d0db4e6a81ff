"""Writes the settings tables of README.md: `python -m tests.readme`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tap_cometly.settings_schema import SETTINGS_SCHEMA
from tap_cometly.tap import TapCometly

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

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


def tables() -> str:
    """The tap's own settings, and below them the SDK's."""
    settings = about()["settings"]
    properties: dict[str, dict[str, Any]] = settings["properties"]
    required = set(settings["required"])
    own = [
        f"| `{name}` | {_default(name, schema, required)} | {_meaning(schema)} |"
        for name, schema in properties.items()
        if name in SETTINGS_SCHEMA["properties"]
    ]
    others = [
        f"| `{name}` | {_first_sentence(schema)} |"
        for name, schema in properties.items()
        if name not in SETTINGS_SCHEMA["properties"]
    ]
    head = ["| name | default | meaning |", "| --- | --- | --- |"]
    other_head = ["| name | meaning |", "| --- | --- |"]
    return "\n".join([*head, *own, "", _SDK_SETTINGS, "", *other_head, *others])


def rewritten(text: str) -> str:
    """A README with the tables as they should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


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


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text("utf-8")), "utf-8")
