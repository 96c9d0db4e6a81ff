"""Runs tests on each Python of this machine, in environments of their own: units and the SDK's.

python -m tests.release.environments           # all of them
python -m tests.release.environments --list    # tells which there are

The oldest one has the lowest versions of the tap's dependencies, the newest one the SDK's latest
beta; the one that this runs on is left out, for all other tests run on it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.release.building import CHECKOUT
from tests.support.meltano import uv

PYTHONS = SpecifierSet(metadata("tap-cometly")["Requires-Python"])
OWN = Version(platform.python_version())
SDK_BETA = "0.55.0b7"
TESTS = ("tests/unit", "tests/test_sdk.py", "--ignore=tests/unit/extract")
"""To plan and page is arithmetic, whatever the Python: the SDK's tests run that code, too."""
FEW_TESTS = ("tests/unit/runtime", "tests/test_sdk.py")
"""For a Python between those: what is likely to depend on it, and whole syncs."""

_PYTEST = ("-m", "pytest", "--numprocesses=0", "--quiet", "-p", "no:cacheprovider")
_TAP = ("--editable", str(CHECKOUT))
_TEST_GROUP = ("--group", f"{CHECKOUT / 'pyproject.toml'}:test")


@dataclass(frozen=True)
class Environment:
    """A Python with the tap and its tests; what is installed into it, in order."""

    version: Version
    python: Path
    versions: str
    """Of the dependencies, in words."""
    installs: tuple[tuple[str, ...], ...]
    tests: tuple[str, ...] = TESTS

    def __str__(self) -> str:
        return f"Python {self.version} ({self.python}), {self.versions}"


@dataclass(frozen=True)
class Outcome:
    """What came of the tests."""

    environment: Environment
    passed: bool
    seconds: float
    output: str

    def __str__(self) -> str:
        lines = self.output.strip().splitlines() or ["no output"]
        told = lines[-1] if self.passed else f"FAILED\n{self.output}"
        return f"{self.environment}, {self.seconds:.0f} s: {told}"


def pythons() -> dict[Version, Path]:
    """The supported interpreters of this machine: this one, those on the PATH, pyenv's and uv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [str(folder) for folder in sorted(pyenv.glob("versions/*/bin"))]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    command = [uv(), "python", "list", "--only-installed", "--output-format=json"]
    listed = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    found: dict[Version, Path] = {}
    for entry in json.loads(listed.stdout):
        version = Version(entry["version"])
        if entry["implementation"] == "cpython" and version in PYTHONS:
            found.setdefault(version, Path(entry["path"]))
    found.setdefault(OWN, Path(sys.executable))
    return dict(sorted(found.items()))


def environments(found: dict[Version, Path], own: Version) -> list[Environment]:
    """What to test on these interpreters; with only one of them, everything on that one.

    Args:
        found: All of them.
        own: The one that all other tests run on.
    """
    oldest, newest = min(found), max(found)
    usual = [v for v in found if v not in {oldest, newest, own}]
    latest = ((*_TAP, *_TEST_GROUP),)
    beta = f"singer-sdk[faker,s3,testing]=={SDK_BETA}"
    return [
        Environment(
            oldest,
            found[oldest],
            "lowest versions",
            # The tests' own packages come later, so as not to raise what the tap is content with.
            ((*_TAP, "--resolution=lowest-direct"), (*_TAP, *_TEST_GROUP)),
        ),
        *(Environment(v, found[v], "latest versions", latest, FEW_TESTS) for v in usual),
        Environment(
            newest, found[newest], f"singer-sdk {SDK_BETA}", ((*_TAP, *_TEST_GROUP, beta),)
        ),
    ]


def test(environment: Environment) -> Outcome:
    """Create it, and run the tests in it."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="tap-cometly-python-") as folder:
        python = Path(folder) / "bin" / "python"
        commands = [[uv(), "venv", "--quiet", "--python", str(environment.python), folder]]
        for install in environment.installs:
            commands += [
                [uv(), "pip", "install", "--quiet", "--python", str(python), *install],
                [str(python.with_name("tap-cometly")), "--about", "--format=json"],
            ]
        commands += [[str(python), *_PYTEST, *environment.tests]]
        done = [_run(command) for command in commands]
    passed = all(code == 0 for code, _ in done)
    output = done[-1][1] if passed else "".join(text for code, text in done if code != 0)
    return Outcome(environment, passed, time.monotonic() - began, output)


def _run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603
        command, check=False, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode(errors="replace")


def main() -> int:
    """Test them all; answers the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="tell which there are, and end")
    only_list = parser.parse_args().list
    os.environ.pop("VIRTUAL_ENV", None)  # that of the checkout
    chosen = environments(pythons(), OWN)
    if only_list:
        sys.stdout.writelines(f"{environment}\n" for environment in chosen)
        return 0
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for outcome in workers.map(test, chosen):
            sys.stdout.write(f"{outcome}\n")
            sys.stdout.flush()
            failed += not outcome.passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
