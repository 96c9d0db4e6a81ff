"""Each test that the README names as a proof is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.readme import README

TESTS = Path(__file__).parent
BEGIN, END = "<!-- survives -->", "<!-- /survives -->"

_SUMMARY = re.compile(r"<summary>.+: (\d+) cases</summary>")
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
_HEAD = 2  # lines of a table that are no cases


def section() -> str:
    """What it survives, as the README has it."""
    text = README.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    return text.partition(BEGIN)[2].partition(END)[0]


def tables() -> list[list[str]]:
    """The cases of each block, one a line."""
    blocks = section().split("<details>")[1:]
    lines = [[line for line in block.splitlines() if line.startswith("|")] for block in blocks]
    return [rows[_HEAD:] for rows in lines]


@cache
def functions_of(file: str) -> frozenset[str]:
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text("utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))


def test_each_test_that_is_named_exists() -> None:
    found = _TEST.findall(section())

    assert len(found) == section().count("::") > 0
    assert [f"{file}::{name}" for file, name in found if name not in functions_of(file)] == []


def test_each_case_names_its_test() -> None:
    assert [row for rows in tables() for row in rows if not _TEST.search(row)] == []


def test_the_cases_are_as_many_as_is_said() -> None:
    said = [int(number) for number in _SUMMARY.findall(section())]

    assert said == [len(rows) for rows in tables()]
