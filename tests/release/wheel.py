"""Runs tests against the built wheel, where the checkout's package cannot be imported.

python -m tests.release.wheel                          # builds it, and runs all tests
python -m tests.release.wheel tests/unit -n 2          # what follows is pytest's
python -m tests.release.wheel --wheel dist/*.whl       # tests a wheel that is there already
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.release.building import CHECKOUT, build
from tests.support.meltano import uv

EXTRAS = "[faker,s3]"

# All that must not be copied: the package, and what tools leave behind.
_LEFT_OUT = shutil.ignore_patterns(
    "tap_cometly",
    ".git",
    ".venv",
    ".meltano",
    ".*cache",
    ".hypothesis",
    "__pycache__",
    "dist",
    ".env",
)


def run(wheel: Path, folder: Path, arguments: list[str]) -> int:
    """Run pytest in a copy of the checkout that lacks the package; answers its exit code.

    Args:
        wheel: What is tested.
        folder: An empty one.
        arguments: For pytest.
    """
    tests = folder / "tests-alone"
    shutil.copytree(CHECKOUT, tests, ignore=_LEFT_OUT)
    python = _environment(wheel, folder / "venv")
    return subprocess.run([python, "-m", "pytest", *arguments], cwd=tests, check=False).returncode  # noqa: S603


def _environment(wheel: Path, folder: Path) -> Path:
    """A fresh one, with the wheel and what its tests need; answers its Python."""
    python = folder / "bin" / "python"
    groups = f"{CHECKOUT / 'pyproject.toml'}:test"
    install = ["pip", "install", "--quiet", "--python", str(python)]
    _uv("venv", "--quiet", "--python", sys.executable, str(folder))
    _uv(*install, f"tap-cometly{EXTRAS} @ {wheel.resolve().as_uri()}", "--group", groups)
    return python


def _uv(*arguments: str) -> None:
    # In the checkout, whose pyproject.toml tells how recent packages may be.
    subprocess.run([uv(), *arguments], check=True, cwd=CHECKOUT)  # noqa: S603


def main() -> int:
    """Test a wheel; answers the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, usage="%(prog)s [--wheel FILE] [pytest's]"
    )
    parser.add_argument("--wheel", type=Path, help="built already")
    options, for_pytest = parser.parse_known_args()
    os.environ.pop("VIRTUAL_ENV", None)  # that of the checkout
    with TemporaryDirectory(prefix="tap-cometly-wheel-") as name:
        folder = Path(name)
        wheel = options.wheel or build(CHECKOUT, folder / "dist").wheel
        return run(wheel, folder, for_pytest)


if __name__ == "__main__":
    sys.exit(main())
