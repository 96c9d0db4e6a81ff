"""The README says what is."""

from __future__ import annotations

import pytest

from tests.readme import README, marks, rewritten


@pytest.fixture
def text() -> str:
    return README.read_text("utf-8")


def test_settings_and_columns_are_those_of_the_tap(text: str) -> None:
    for mark in (*marks("settings"), *marks("columns")):
        assert text.count(mark) == 1
    assert text == rewritten(text), "run `uv run python -m tests.readme`"


def test_the_command_that_runs_all_tests_is_the_one_of_ci(text: str) -> None:
    ci = (README.parent / ".ci" / "run").read_text("utf-8")

    assert "uv run pytest\n" in text
    assert ci.endswith(" run pytest\n")
