"""Stream maps: a syntax error in an expression is named before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from tap_cometly.exceptions import SettingsError
from tap_cometly.stream_maps import check_stream_maps


@pytest.mark.parametrize(
    "maps",
    [
        None,
        {},
        {"contacts": None},
        {"contacts": "__NULL__", "__else__": None},
        {"contacts": {"name": "name.upper()", "phone": None, "email": "__NULL__"}},
        {"contacts": {"__alias__": "my people", "__key_properties__": ["id"], "__else__": None}},
    ],
)
def test_stream_maps_without_syntax_errors_pass(maps: Any) -> None:
    check_stream_maps(maps)


@pytest.mark.parametrize("text", ["nonsense(", "", "x = 1", "a\0b", " indented", "(" * 500])
def test_a_syntax_error_in_a_stream_map_is_named_as_one(text: str) -> None:
    with pytest.raises(SettingsError, match=r"syntax error in the expression of `contacts\.name`"):
        check_stream_maps({"contacts": {"name": text}})
