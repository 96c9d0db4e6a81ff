"""What is written from the tap is up to date."""

from __future__ import annotations

from tests import generated
from tests.generated.readme import README, marks


def test_generated_files_are_up_to_date() -> None:
    stale = [p.name for p, text in generated.files().items() if p.read_text("utf-8") != text]

    assert stale == [], "run `uv run python -m tests.generated`"


def test_the_readme_has_each_table_once() -> None:
    text = README.read_text("utf-8")

    for mark in (*marks("settings"), *marks("columns")):
        assert text.count(mark) == 1


def test_the_readme_runs_the_tests_as_ci_does() -> None:
    ci = (README.parent / ".ci" / "run").read_text("utf-8")

    assert "uv run pytest\n" in README.read_text("utf-8")
    assert ci.endswith(" run pytest\n")
