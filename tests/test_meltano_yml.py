"""meltano.yml offers the tap's settings, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_cometly.settings_schema import SETTINGS_SCHEMA
from tests.readme import about

PROJECT = yaml.safe_load((Path(__file__).parents[1] / "meltano.yml").read_text("utf-8"))
[EXTRACTOR] = PROJECT["plugins"]["extractors"]
OFFERED: dict[str, dict[str, Any]] = {setting["name"]: setting for setting in EXTRACTOR["settings"]}
ABOUT = about()
PROPERTIES: dict[str, dict[str, Any]] = ABOUT["settings"]["properties"]

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
PARTS = [name for name in OFFERED if "." in name]
WHOLE = [name for name in PROPERTIES if name not in {part.split(".")[0] for part in PARTS}]


def test_every_setting_is_offered_and_no_other() -> None:
    assert {name.split(".")[0] for name in OFFERED} == set(PROPERTIES)
    assert set(OFFERED) == {*WHOLE, *PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_only_objects_are_offered_in_parts(part: str) -> None:
    assert "object" in PROPERTIES[part.split(".", maxsplit=1)[0]]["type"]


@pytest.mark.parametrize("name", WHOLE)
def test_a_setting_is_offered_as_the_tap_means_it(name: str) -> None:
    offered, schema = OFFERED[name], PROPERTIES[name]
    [kind] = set(schema["type"]) - {"null"}

    assert offered["kind"] in ({"options"} if "enum" in schema else KINDS[kind])
    assert offered.get("value") == schema.get("default")
    assert offered.get("sensitive", False) == schema.get("secret", False)
    assert [option["value"] for option in offered.get("options", [])] == schema.get("enum", [])
    assert offered["label"]
    assert offered["description"].endswith(".")


@pytest.mark.parametrize("name", [name for name in PROPERTIES if "maximum" in PROPERTIES[name]])
def test_the_value_it_starts_with_lies_within_the_bounds(name: str) -> None:
    schema, value = PROPERTIES[name], OFFERED[name]["value"]

    assert schema.get("minimum", value) <= value <= schema["maximum"]
    assert schema.get("exclusiveMinimum", value - 1) < value


def test_the_settings_of_the_tap_are_described_in_its_own_words() -> None:
    for name in SETTINGS_SCHEMA["properties"]:
        told = " ".join(OFFERED[name]["description"].split())
        assert told == PROPERTIES[name]["description"]


def test_what_has_no_default_must_be_set() -> None:
    assert EXTRACTOR["settings_group_validation"] == [ABOUT["settings"]["required"]]


def test_the_capabilities_are_those_of_the_tap() -> None:
    assert sorted(EXTRACTOR["capabilities"]) == sorted(ABOUT["capabilities"])
