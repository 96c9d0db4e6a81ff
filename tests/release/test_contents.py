"""Wheel and source distribution hold what they should, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.metadata import Metadata

from tests.release.building import CHECKOUT, Built, build, build_wheel

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = CHECKOUT / "tap_cometly"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PACKAGE.is_dir(), reason="where the built package is tested"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(CHECKOUT, tmp_path_factory.mktemp("dist"))


def sources() -> set[str]:
    """The files of the package, as they lie in the checkout."""
    files = {path for path in PACKAGE.rglob("*") if path.suffix == ".py" or path.name == "py.typed"}
    return {path.relative_to(CHECKOUT).as_posix() for path in files}


def stem(built: Built) -> str:
    return built.sdist.name.removesuffix(".tar.gz")


def read(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def metadata_of(built: Built) -> bytes:
    return read(built.wheel, f"{stem(built)}.dist-info/METADATA")


def tool(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(  # noqa: S603
        command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_the_wheel_holds_the_package_its_licence_and_its_metadata(built: Built) -> None:
    about = ["METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"]

    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()

    assert sorted(names) == sorted([*sources(), *(f"{stem(built)}.dist-info/{n}" for n in about)])
    assert "tap_cometly/py.typed" in names


def test_the_source_distribution_holds_what_a_wheel_is_built_from(built: Built) -> None:
    beside = [".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"]

    with tarfile.open(built.sdist) as archive:
        names = archive.getnames()

    assert sorted(names) == sorted(f"{stem(built)}/{name}" for name in [*sources(), *beside])


def test_the_wheel_of_the_checkout_is_that_of_the_source_distribution_to_the_byte(
    built: Built, tmp_path: Path
) -> None:
    wheel = build_wheel(CHECKOUT, tmp_path)

    assert wheel.name == built.wheel.name
    assert wheel.read_bytes() == built.wheel.read_bytes()


def test_the_metadata_are_valid_and_the_readme_is_their_text(built: Built) -> None:
    metadata = Metadata.from_email(metadata_of(built), validate=True)

    assert str(metadata.version) in built.wheel.name
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (CHECKOUT / "README.md").read_text("utf-8")


def test_pypi_would_take_it_and_show_its_page(built: Built) -> None:
    checked = tool("twine", "check", "--strict", str(built.wheel), str(built.sdist))

    assert checked.returncode == 0, checked.stdout


def test_pyroma_finds_nothing_missing_but_where_the_project_lives(built: Built) -> None:
    # Without an address of the repository, and of people, there are none to tell.
    unknown = ["AuthorEmail"]
    if not Metadata.from_email(metadata_of(built), validate=True).project_urls:
        unknown.append("Url")

    rated = tool("pyroma", "--min=10", f"--skip-tests={','.join(unknown)}", str(built.sdist))

    assert rated.returncode == 0, rated.stdout


def test_it_brings_one_command(built: Built) -> None:
    lines = read(built.wheel, f"{stem(built)}.dist-info/entry_points.txt").decode().split("\n")

    assert lines[:2] == ["[console_scripts]", "tap-cometly = tap_cometly.__main__:main"]
    assert not any(lines[2:])
