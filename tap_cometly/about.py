"""`--about` in full: the SDK's text and markdown leave out kinds, defaults or secrets."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

from singer_sdk.about import MarkdownFormatter, TextFormatter
from typing_extensions import override

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.about import AboutInfo


class Described(t.NamedTuple):
    """A setting in words."""

    name: str
    kind: str
    required: str
    secret: str
    default: str
    description: str


def described(schema: Mapping[str, t.Any], parent: str = "") -> Iterator[Described]:
    """Describe all settings, and the parts of those that have parts.

    Args:
        schema: JSON schema of an object.
        parent: What goes before their names.

    Yields:
        Each in turn.
    """
    for name, setting in schema.get("properties", {}).items():
        yield Described(
            parent + name,
            _kind(setting),
            _yes(name in schema.get("required", [])),
            _yes(setting.get("secret", False)),
            _default(setting.get("default")),
            " ".join(setting.get("description", "").split()),
        )
        yield from described(setting, f"{parent}{name}.")


def _default(value: t.Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _kind(setting: t.Any) -> str:
    if not isinstance(setting, dict):
        return str(setting)
    if "enum" in setting:
        return " or ".join(map(str, setting["enum"]))
    if "const" in setting:
        return str(setting["const"])
    kinds = setting.get("type", [])
    parts = [kinds] if isinstance(kinds, str) else list(kinds)
    parts += [_kind(each) for each in (*setting.get("oneOf", []), *setting.get("anyOf", []))]
    named = dict.fromkeys(part for part in parts if part not in {"null", ""})
    return " or ".join(named) + _bounds(setting)


def _bounds(setting: Mapping[str, t.Any]) -> str:
    words = {
        "minimum": "from {:,}",
        "exclusiveMinimum": "above {:,}",
        "maximum": "to {:,}",
        "exclusiveMaximum": "below {:,}",
    }
    bounds = [text.format(setting[key]) for key, text in words.items() if key in setting]
    return f", {' '.join(bounds)}" if bounds else ""


def _yes(fact: bool) -> str:  # noqa: FBT001, that is all there is to it
    return "yes" if fact else "no"


class FullText(TextFormatter, format_name="text"):
    """Text in which nothing about a setting is missing."""

    @override
    def format_about(self, about_info: AboutInfo) -> str:
        """Render it."""
        text = super().format_about(replace(about_info, settings={}))
        for setting in described(about_info.settings):
            variable = about_info.env_var_prefix + setting.name.upper()
            text += (
                f"  - Name: {setting.name}\n"
                f"    Kind: {setting.kind}\n"
                f"    Required: {setting.required}\n"
                f"    Secret: {setting.secret}\n"
                f"    Default: {setting.default}\n"
            )
            if "." not in setting.name:
                text += f"    Environment Variable: {variable}\n"
            text += f"    Description: {setting.description}\n"
        return text


class FullMarkdown(MarkdownFormatter, format_name="markdown"):
    """Markdown in which nothing about a setting is missing."""

    @override
    def format_about(self, about_info: AboutInfo) -> str:
        """Render it."""
        titles = [name.capitalize() for name in Described._fields]
        rows = [titles, ["---"] * len(titles)]
        rows += [
            [f"`{name}`", *map(_cell, others)] for name, *others in described(about_info.settings)
        ]
        text = super().format_about(replace(about_info, settings={}))
        before, _, after = text.partition("## Settings\n")
        end = after.rpartition("\n\n")[2]  # behind the SDK's own table, which is empty
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return f"{before}## Settings\n\n{table}\n\n{end}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
