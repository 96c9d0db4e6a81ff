"""Each case of docs/reliability.md has tests, and each test that is named for one exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
SURVIVES = TESTS / "survives.md"
RELIABILITY = TESTS.parent / "docs" / "reliability.md"

_TEST = re.compile(r"`(\w+\.py)::(\w+)`")
_HEAD = 2  # lines of a table that are no cases


def tables(file: Path) -> dict[str, list[list[str]]]:
    """The cases of a document by heading, each as the cells of its row."""
    found = {}
    for section in re.split(r"^## ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, *lines = section.splitlines()
        rows = [line for line in lines if line.startswith("|")][_HEAD:]
        found[title] = [row.strip("| ").split(" | ") for row in rows]
    return found


@cache
def functions_in(name: str) -> frozenset[str]:
    """The functions in all files of that name."""
    bodies = [ast.parse(file.read_text("utf-8")).body for file in TESTS.rglob(name)]
    return frozenset(
        node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)
    )


def test_each_test_that_is_named_exists() -> None:
    text = SURVIVES.read_text("utf-8")
    named = _TEST.findall(text)

    assert len(named) == text.count("::") > 0
    assert [f"{file}::{test}" for file, test in named if test not in functions_in(file)] == []


def test_each_case_names_its_test() -> None:
    cases = [row for rows in tables(SURVIVES).values() for row in rows]

    assert [row for row in cases if not _TEST.search(row[-1])] == []


def test_the_cases_are_those_of_the_document() -> None:
    said, shown = tables(RELIABILITY), tables(SURVIVES)

    assert list(said) == list(shown)
    for title, rows in said.items():
        assert [row[0] for row in rows] == [row[0] for row in shown[title]], title
