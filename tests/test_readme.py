"""The README says what is."""

from __future__ import annotations

from tap_cometly.settings_schema import SETTINGS_SCHEMA
from tests.readme import BEGIN, END, README, rewritten


def test_the_settings_are_those_of_about() -> None:
    text = README.read_text("utf-8")

    assert text.count(BEGIN) == text.count(END) == 1
    assert text == rewritten(text), "run `uv run python -m tests.readme`"


def test_every_setting_has_its_row() -> None:
    _, _, rest = README.read_text("utf-8").partition(BEGIN)
    settings, _, _ = rest.partition(END)

    for name in SETTINGS_SCHEMA["properties"]:
        assert f"\n| `{name}` | " in settings


def test_the_command_that_runs_all_tests_is_the_one_of_ci() -> None:
    ci = (README.parent / ".ci" / "run").read_text("utf-8")

    assert "uv run pytest\n" in README.read_text("utf-8")
    assert ci.endswith(" run pytest\n")
