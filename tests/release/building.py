"""Builds the package as a release does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.meltano import uv

CHECKOUT = Path(__file__).parents[2]


class Built(NamedTuple):
    """The files of a release."""

    sdist: Path
    wheel: Path


def build(source: Path, folder: Path) -> Built:
    """The source distribution, and the wheel that comes of it."""
    _uv_build(source, folder)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel alone, from a checkout or an unpacked source distribution."""
    _uv_build(source, folder, "--wheel")
    [wheel] = folder.glob("*.whl")
    return wheel


def _uv_build(source: Path, folder: Path, *options: str) -> None:
    command = [uv(), "build", "--quiet", *options, "--out-dir", str(folder), str(source)]
    subprocess.run(command, check=True, cwd=source)  # noqa: S603
