"""The SDK's private names that the tap uses are there, and listed with what could replace them."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer_sdk import Stream, Tap

from tests.support.installed import package

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Path(__file__).parents[2] / "docs" / "sdk.md"

LISTED: list[str] = re.findall(
    r"^\| `(singer_sdk\S+)` \| .+? \| .+? \|$", TABLE.read_text("utf-8"), re.MULTILINE
)
BASES: dict[str, type] = {"Stream": Stream, "Tap": Tap}


def private_imports(tree: ast.Module) -> Iterator[str]:
    """What is imported from modules that the SDK marks as its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk."):
            for name in node.names:
                path = f"{node.module}.{name.name}"
                if any(part.startswith("_") for part in path.split(".")):
                    yield path


def private_members(tree: ast.Module) -> Iterator[str]:
    """What the tap's classes override or read of the SDK's base classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in {ast.unparse(base) for base in node.bases} & BASES.keys():
                for name in _private_names(node) & members_of(BASES[base]):
                    yield f"singer_sdk.{base}.{name}"


def _private_names(node: ast.ClassDef) -> set[str]:
    attributes = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    functions = {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)}
    return {n for n in attributes | functions if n.startswith("_") and not n.startswith("__")}


def members_of(base: type) -> set[str]:
    """Methods of a class, and attributes that it gives its instances."""
    classes = [each for each in base.__mro__ if each.__module__.startswith("singer_sdk")]
    attributes = {
        name
        for each in classes
        for name in re.findall(r"self\.(\w+)(?:: [^=\n]+)? = ", inspect.getsource(each))
    }
    return attributes | set(dir(base))


@pytest.mark.parametrize("name", LISTED)
def test_a_private_name_that_is_listed_is_there(name: str) -> None:
    place, _, attribute = name.rpartition(".")
    base = BASES.get(place.removeprefix("singer_sdk."))

    assert attribute in (members_of(base) if base else dir(import_module(place)))


def test_every_private_name_that_is_used_is_listed() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for file in package().rglob("*.py")]

    used = {name for tree in trees for name in (*private_imports(tree), *private_members(tree))}

    assert sorted(used) == sorted(LISTED), f"bring {TABLE.name} up to date"
