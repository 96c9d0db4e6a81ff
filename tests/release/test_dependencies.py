"""What the package imports is what it depends on, each with a lower bound."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions, requires

import pytest
from packaging.requirements import Requirement

from tests.support.installed import package

DEPENDENCIES = {
    requirement.name: requirement
    for requirement in map(Requirement, requires("tap-cometly") or [])
    if requirement.marker is None
}
UNUSED_BY_NAME = {"tzdata"}  # found by the standard library's zoneinfo


def imported() -> set[str]:
    """Top-level modules from elsewhere, but for those that only type checkers see."""
    found = set()
    for file in package().rglob("*.py"):
        for node in _run_time(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"tap_cometly"}


def _run_time(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return []
    return [node, *(found for child in ast.iter_child_nodes(node) for found in _run_time(child))]


def test_what_is_imported_is_depended_on_and_nothing_else_is() -> None:
    belongs_to = packages_distributions()

    distributions = {belongs_to[module][0].lower().replace("_", "-") for module in imported()}

    assert distributions == DEPENDENCIES.keys() - UNUSED_BY_NAME


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_a_dependency_has_a_lower_bound(name: str) -> None:
    operators = {specifier.operator for specifier in DEPENDENCIES[name].specifier}

    assert operators & {">=", "~=", "=="}, "CI tests the lowest version that the bound allows"
