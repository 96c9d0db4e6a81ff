"""The version is that of the tag; whatever a checkout lacks, it can be installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.release.building import CHECKOUT, build
from tests.sandbox import dated
from tests.support.running import SCRIPT, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.fixture import StartSandbox

NEXT = re.compile(r"1\.2\.4\.dev\d+")
UNTAGGED = re.compile(r"0\.0\.1\.dev\d+")


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *who, *arguments], check=True, cwd=folder)  # noqa: S603, S607


def commit(checkout: Path) -> None:
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "On")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small one, at the tag v1.2.3."""
    pytest.importorskip("hatch_vcs", reason="where the built package is tested, none is built")
    folder = tmp_path / "checkout"
    (folder / "tap_cometly").mkdir(parents=True)
    (folder / "tap_cometly" / "__init__.py").touch()
    for name in ("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, folder)
    git(folder, "init", "--quiet")
    commit(folder)
    git(folder, "tag", "v1.2.3")
    return folder


def built_version(source: Path) -> str:
    """The version that a build would have."""
    told = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"],
        check=True,
        cwd=source,
        capture_output=True,
        text=True,
    )
    return told.stdout.strip()


def test_at_a_tag_it_is_that_of_the_tag(checkout: Path) -> None:
    assert built_version(checkout) == "1.2.3"


def test_behind_a_tag_it_is_on_the_way_to_the_next(checkout: Path) -> None:
    commit(checkout)

    assert NEXT.fullmatch(built_version(checkout))


def test_with_changes_it_is_not_that_of_the_tag(checkout: Path) -> None:
    (checkout / "README.md").write_text("Other", "utf-8")

    assert NEXT.fullmatch(built_version(checkout))


def test_without_tags_or_with_little_history_it_is_before_all_versions(checkout: Path) -> None:
    commit(checkout)
    shallow = checkout.with_name("shallow")
    git(checkout, "clone", "--quiet", "--depth=1", "--no-tags", checkout.as_uri(), str(shallow))

    assert UNTAGGED.fullmatch(built_version(shallow))


def test_without_git_it_is_zero(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")

    assert built_version(checkout) == "0.0.0"


@pytest.mark.slow
def test_a_source_distribution_keeps_it(checkout: Path, tmp_path: Path) -> None:
    sdist, wheel = build(checkout, tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        # As an attribute: Python 3.11.2, Debian 12's own, does not know the argument `filter`.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(tmp_path)  # noqa: S202, our own

    assert wheel.name.split("-")[1] == "1.2.3"
    assert built_version(tmp_path / "tap_cometly-1.2.3") == "1.2.3"


def test_the_command_and_its_requests_tell_it(sandbox: StartSandbox) -> None:
    told = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    run = sync(sandbox(dated()))

    assert told.stdout.startswith(f"tap-cometly v{version('tap-cometly')},")
    assert {request.headers["user-agent"] for request in run.requests} == {
        f"tap-cometly/{version('tap-cometly')}"
    }
