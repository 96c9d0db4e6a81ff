"""Tells whether a tag may be released: `python -m tests.release.check v1.2.3 dist`.

The standard library must do: it runs before anything has been installed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"

_TAG = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
_ENTRY = re.compile(r"^- ", re.MULTILINE)


def objections(tag: str, built: set[str], changelog: str) -> list[str]:
    """What speaks against a release.

    Args:
        tag: Of the commit.
        built: Names of the files that were built from it.
        changelog: Its text.
    """
    matched = _TAG.fullmatch(tag)
    if matched is None:
        return [f"the tag {tag} is not like v1.2.3"]
    version = matched[1]
    wanted = {f"tap_cometly-{version}-py3-none-any.whl", f"tap_cometly-{version}.tar.gz"}
    found = []
    if built != wanted:
        found.append(f"built was {', '.join(sorted(built)) or 'nothing'}: not {version}")
    if not re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        found.append(f"CHANGELOG.md has no heading `## [{version}] - <date>`")
    if _ENTRY.search(_unreleased(changelog)):
        found.append("CHANGELOG.md still has entries under Unreleased")
    return found


def _unreleased(changelog: str) -> str:
    _, _, rest = changelog.partition("\n## [Unreleased]\n")
    return rest.partition("\n## [")[0]


def main(tag: str, folder: str) -> int:
    """Print what speaks against it; answers the exit code."""
    built = {file.name for file in Path(folder).iterdir() if not file.name.startswith(".")}
    found = objections(tag, built, CHANGELOG.read_text("utf-8"))
    for objection in found:
        sys.stderr.write(f"{objection}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
