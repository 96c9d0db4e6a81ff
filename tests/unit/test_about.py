"""`--about` says all there is to say about each setting, in each of its formats."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tap_cometly.about import described
from tests.support.running import SCRIPT


def about(*arguments: str) -> str:
    """Ask in a process without key and without a network to ask by."""
    done = subprocess.run(  # noqa: S603, our own script
        [str(SCRIPT), "--about", *arguments],
        env={"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(about("--format", "json"))["settings"]
    return schema


def test_text_has_everything(settings: dict[str, Any]) -> None:
    text = about()

    for setting in described(settings):
        start = text.index(f"  - Name: {setting.name}\n")
        block = text[start : text.find("  - Name: ", start + 1)].splitlines()
        assert f"    Kind: {setting.kind}" in block
        assert f"    Required: {setting.required}" in block
        assert f"    Secret: {setting.secret}" in block
        assert f"    Default: {setting.default}" in block
        assert f"    Description: {setting.description}" in block


def test_markdown_has_everything(settings: dict[str, Any]) -> None:
    rows = about("--format", "markdown").splitlines()

    for name, *others in described(settings):
        assert f"| `{name}` | {' | '.join(others)} |" in rows


def test_json_has_everything(settings: dict[str, Any]) -> None:
    for name, setting in settings["properties"].items():
        assert setting["description"], name
        assert setting["type"], name
    assert settings["properties"]["page_size"]["default"] == 5000
    assert settings["required"] == ["api_key", "start_date"]


def test_nothing_is_without_a_kind_and_a_description(settings: dict[str, Any]) -> None:
    for setting in described(settings):
        assert setting.kind, setting.name
        assert not setting.kind.endswith(" or ")
        assert setting.description, setting.name


def test_settings_are_described_in_words(settings: dict[str, Any]) -> None:
    of = {setting.name: setting for setting in described(settings)}

    assert of["api_key"][1:5] == ("string", "yes", "yes", "none")
    assert of["timezone"][1:5] == ("string", "no", "no", "UTC")
    assert of["rate_limit_share"].kind == "number, above 0 to 1"
    assert of["page_size"][1:5] == ("integer, from 1 to 5,000", "no", "no", "5000")
    assert of["extraction_mode"].kind == "auto or pagination or export"
    assert of["include_all_emails"].default == "false"
    assert of["batch_config.storage.root"].kind == "string"
    assert sum(setting.secret != of["page_size"].secret for setting in of.values()) == 1
