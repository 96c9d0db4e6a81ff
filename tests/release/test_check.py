"""A tag is released only when package and changelog agree with it."""

from __future__ import annotations

import re

import pytest

from tests.release.check import CHANGELOG, objections

BUILT = {"tap_cometly-1.2.3-py3-none-any.whl", "tap_cometly-1.2.3.tar.gz"}
TEXT = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Added\n\n- Much.\n"


def test_when_all_agree_there_is_no_objection() -> None:
    assert objections("v1.2.3", BUILT, TEXT) == []


@pytest.mark.parametrize(
    ("tag", "built", "text", "objection"),
    [
        ("1.2.3", BUILT, TEXT, "the tag 1.2.3 is not like v1.2.3"),
        ("v1.2", BUILT, TEXT, "the tag v1.2 is not like v1.2.3"),
        ("v1.2.3", set(), TEXT, "built was nothing"),
        ("v1.2.3", {*BUILT, "tap_cometly-1.2.2.tar.gz"}, TEXT, "not 1.2.3"),
        ("v1.2.3", {f.replace("1.2.3", "1.2.4.dev0") for f in BUILT}, TEXT, "not 1.2.3"),
        ("v1.2.3", BUILT, TEXT.replace("1.2.3", "1.2.2"), "no heading `## [1.2.3]"),
        ("v1.2.3", BUILT, TEXT.replace("1.2.3", "1x2.3"), "no heading `## [1.2.3]"),
        ("v1.2.3", BUILT, TEXT.replace(" - 2026-12-01", ""), "no heading `## [1.2.3]"),
        (
            "v1.2.3",
            BUILT,
            TEXT.replace("\n## [1", "\n- More.\n\n## [1"),
            "entries under Unreleased",
        ),
    ],
)
def test_what_does_not_agree_is_named(tag: str, built: set[str], text: str, objection: str) -> None:
    [found] = objections(tag, built, text)

    assert objection in found


def test_the_changelog_has_the_form_that_is_looked_for() -> None:
    text = CHANGELOG.read_text("utf-8")
    first, *releases = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)

    found = [line for release in releases for line in objections(f"v{release}", set(), text)]

    assert first == "Unreleased"
    assert not any("heading" in line for line in found)
