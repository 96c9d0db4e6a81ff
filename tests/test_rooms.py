"""The package's files import each other one way only."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import tap_cometly

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(tap_cometly.__file__).parent
PURE = {
    "errors": set[str](),
    "record": set[str](),
    "space_time": set[str](),
    "survey": set[str](),
    "plan": {"survey"},
    "windows": set[str](),
    "cutter": {"plan", "survey", "windows"},
}


def imported(node: ast.AST) -> Iterator[str]:
    """The package's own files that some code imports when it runs, not only to name types."""
    for part in ast.iter_child_nodes(node):
        match part:
            case ast.If(test=ast.Attribute(attr="TYPE_CHECKING") | ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.ImportFrom(module="tap_cometly", names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module)) if module.startswith("tap_cometly."):
                yield module.split(".")[1]
            case ast.Import(names=names):
                own = (name.name.split(".") for name in names)
                yield from (path[1] for path in own if path[0] == "tap_cometly")
        yield from imported(part)


ARROWS = {
    file.stem: set(imported(ast.parse(file.read_text("utf-8")))) for file in PACKAGE.glob("*.py")
}


def test_imports_go_in_no_circle_and_begin_at_the_tap() -> None:
    order = [*TopologicalSorter(ARROWS).static_order()]  # raises where there is a circle

    assert order[-2:] == ["tap", "__main__"]


def test_what_is_pure_imports_nothing_else() -> None:
    assert {name: ARROWS[name] for name in PURE} == PURE
