"""What is wrong with stream maps, in words that quote neither a value nor a record."""

from __future__ import annotations

import ast
import importlib.util
import logging
import re
import traceback
import typing as t

from tap_cometly.exceptions import SettingsError

if t.TYPE_CHECKING:
    from singer_sdk.exceptions import StreamMapConfigError

# At DEBUG it writes what a `__filter__` makes of each contact. A logging configuration can undo a
# level, but not a filter.
logging.getLogger("singer_sdk.mapper").addFilter(lambda record: record.levelno > logging.DEBUG)

_MAP_VALUE = re.compile(r"(?<=')[^':]*:[^']*(?=' is not expected)|(?<=case: ).*")
_NO_EXPRESSIONS = {"__else__", "__source__", "__key_properties__", "__alias__"}


def check_stream_maps(maps: t.Any) -> None:
    """Check the expressions in stream maps that fit their JSON schema.

    Raises:
        SettingsError: One has a syntax error, or uses `fake` without the package for it.
    """
    for stream, mapped in (maps or {}).items():
        for name, text in mapped.items() if isinstance(mapped, dict) else ():
            if isinstance(text, str) and text != "__NULL__" and name not in _NO_EXPRESSIONS:
                _check_expression(f"{stream}.{name}", text)


def _check_expression(place: str, text: str) -> None:
    try:
        first = ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        first = None
    if not isinstance(first, ast.Expr):
        msg = f"The setting `stream_maps` has a syntax error in the expression of `{place}`"
        raise SettingsError(msg, "Correct it; expressions look like Python's: email.lower()")
    names = {node.id for node in ast.walk(first) if isinstance(node, ast.Name)}
    if "fake" in names and importlib.util.find_spec("faker") is None:
        msg = f"The setting `stream_maps` uses `fake` in the expression of `{place}`"
        raise SettingsError(msg, "Install what invents values: the extra tap-cometly[faker].")


def refused_map(error: StreamMapConfigError) -> str:
    """Return the SDK's own words about a stream map, without the values that they quote."""
    return f"Wrong setting `stream_maps`: {_MAP_VALUE.sub('', str(error))}"


def unusable_maps(error: Exception) -> SettingsError:
    """Return the error for settings of stream maps that the SDK fails on."""
    msg = "The settings `stream_maps`, `stream_map_config`, `faker_config` and `flattening_*` "
    msg += f"cannot be used together ({type(error).__name__})"
    return SettingsError(msg, "See the SDK's documentation of each.")


def expression_failed(error: Exception) -> SettingsError:
    """Return an error that names the column, which the SDK's call that evaluates it knows."""
    calls = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
    columns = [call["property_name"] or "__filter__" for call in calls if "property_name" in call]
    which = f"The expression of `{columns[-1]}`" if columns else "An expression"
    msg = f"{which} in `stream_maps` failed on a record"
    return SettingsError(msg, "Correct it, perhaps for null: email.lower() if email else None")
