"""Which Pythons are tested with what."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from packaging.version import Version

from tests.release.environments import SDK_BETA, environments, pythons

OWN = Version("3.11.7")
BETA = f"singer-sdk {SDK_BETA}"


@pytest.mark.parametrize(
    ("versions", "tested"),
    [
        (["3.11.7"], [("3.11.7", "lowest versions"), ("3.11.7", BETA)]),
        (["3.10.13", "3.11.7"], [("3.10.13", "lowest versions"), ("3.11.7", BETA)]),
        (
            ["3.10.13", "3.11.2", "3.11.7", "3.12.1", "3.14.0"],
            [
                ("3.10.13", "lowest versions"),
                ("3.11.2", "latest versions"),
                ("3.12.1", "latest versions"),
                ("3.14.0", BETA),
            ],
        ),
    ],
)
def test_every_python_but_this_one_is_tested_and_both_ends_of_the_dependencies(
    versions: list[str], tested: list[tuple[str, str]]
) -> None:
    found = {Version(version): Path(version) for version in versions}

    chosen = environments(found, OWN)

    assert [(str(environment.version), environment.versions) for environment in chosen] == tested


def test_the_interpreters_of_this_machine_are_found() -> None:
    found = pythons()

    assert Version(platform.python_version()) in found
    assert all(python.exists() for python in found.values())
