"""Settings from environment variables, for `--config=ENV`."""

from __future__ import annotations

import json
import typing as t

from singer_sdk.configuration._dict_config import parse_environment_config

if t.TYPE_CHECKING:
    from collections.abc import Mapping

_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def settings_from_environment(schema: Mapping[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """Read what the environment, or a `.env` file, sets.

    The SDK takes a fraction for text and any word for false, and fails on other misfits.

    Args:
        schema: The settings' JSON schema.
        prefix: What the variables begin with.

    Returns:
        The settings that are set. What cannot be read stays text, for the schema to complain of.
    """
    properties = schema["properties"]
    texts = parse_environment_config(
        {"properties": {name: {"type": "string"} for name in properties}}, prefix
    )
    return {name: _read(text, properties[name].get("type", ())) for name, text in texts.items()}


def _read(text: str, kinds: str | list[str]) -> t.Any:
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        word = text.strip().lower()
        return word in _YES if word in _YES | _NO else text
    try:
        return json.loads(text)
    except ValueError:
        return text
