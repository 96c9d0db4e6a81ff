"""meltano.yml and the Hub's definition offer the tap's settings, no more and no less."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cometly.config import SETTINGS_SCHEMA
from tests.hub import HUB, extractor, rendered
from tests.readme import about
from tests.support.meltano import MELTANO, put_on_path

if TYPE_CHECKING:
    from pathlib import Path

Definition = dict[str, Any]
Settings = dict[str, dict[str, Any]]

DEFINITIONS: dict[str, Definition] = {
    "meltano.yml": extractor(),
    "hub": yaml.safe_load(HUB.read_text("utf-8")),
}
ABOUT = about()
PROPERTIES: dict[str, dict[str, Any]] = ABOUT["settings"]["properties"]
REMEDY = "correct meltano.yml, which is written by hand, and run `uv run python -m tests.hub`"

# Meltano 4.4 fails on a decimal from the environment, so a number that people write whole is an
# integer to it.
KINDS = {
    "string": {"string"},
    "boolean": {"boolean"},
    "integer": {"integer"},
    "number": {"integer", "decimal"},
    "object": {"object"},
}


# The parts of an object can be settings of their own: `batch_config.storage.root`.
PARTS = [setting["name"] for setting in extractor()["settings"] if "." in setting["name"]]
WHOLE = [name for name in PROPERTIES if name not in {part.split(".")[0] for part in PARTS}]


@pytest.fixture(params=DEFINITIONS)
def definition(request: pytest.FixtureRequest) -> Definition:
    return DEFINITIONS[request.param]


@pytest.fixture
def offered(definition: Definition) -> Settings:
    return {setting["name"]: setting for setting in definition["settings"]}


def test_every_setting_is_offered_and_no_other(offered: Settings) -> None:
    assert {name.split(".")[0] for name in offered} == set(PROPERTIES), REMEDY
    assert set(offered) == {*WHOLE, *PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_only_objects_are_offered_in_parts(part: str) -> None:
    assert "object" in PROPERTIES[part.split(".", maxsplit=1)[0]]["type"]


@pytest.mark.parametrize("name", WHOLE)
def test_a_setting_is_offered_as_the_tap_means_it(offered: Settings, name: str) -> None:
    setting, schema = offered[name], PROPERTIES[name]
    [kind] = set(schema["type"]) - {"null"}

    assert setting["kind"] in ({"options"} if "enum" in schema else KINDS[kind]), REMEDY
    assert setting.get("value") == schema.get("default"), REMEDY
    assert setting.get("sensitive", False) == schema.get("secret", False), REMEDY
    assert [option["value"] for option in setting.get("options", [])] == schema.get("enum", [])
    assert setting["label"]
    assert setting["description"].endswith(".")


@pytest.mark.parametrize("name", [name for name in PROPERTIES if "maximum" in PROPERTIES[name]])
def test_the_value_it_starts_with_lies_within_the_bounds(offered: Settings, name: str) -> None:
    schema, value = PROPERTIES[name], offered[name]["value"]

    assert schema.get("minimum", value) <= value <= schema["maximum"]
    assert schema.get("exclusiveMinimum", value - 1) < value


def test_the_settings_of_the_tap_are_described_in_its_own_words(offered: Settings) -> None:
    for name in SETTINGS_SCHEMA["properties"]:
        told = " ".join(offered[name]["description"].split())
        assert told == PROPERTIES[name]["description"], REMEDY


def test_what_has_no_default_must_be_set(definition: Definition) -> None:
    assert definition["settings_group_validation"] == [ABOUT["settings"]["required"]]


def test_the_capabilities_are_those_of_the_tap(definition: Definition) -> None:
    assert sorted(definition["capabilities"]) == sorted(ABOUT["capabilities"])


def test_the_definition_for_the_hub_is_up_to_date() -> None:
    assert HUB.read_text("utf-8") == rendered(), "run `uv run python -m tests.hub`"


@pytest.mark.slow
def test_meltano_adds_the_tap_as_the_hub_defines_it(tmp_path: Path) -> None:
    # given
    put_on_path(tmp_path / "bin", "meltano", MELTANO)
    project = tmp_path / "meltano.yml"
    project.write_text("project_id: new\nsend_anonymous_usage_stats: false\n", "utf-8")
    add = ["add", "--plugin-type=extractor", "--no-install", f"--from-ref={HUB}", "tap-cometly"]
    # when
    subprocess.run([tmp_path / "bin" / "meltano", *add], check=True, cwd=tmp_path)  # noqa: S603
    # then
    [added] = yaml.safe_load(project.read_text("utf-8"))["plugins"]["extractors"]
    assert added["pip_url"] == "tap-cometly"
    assert added["settings"] == DEFINITIONS["hub"]["settings"]
