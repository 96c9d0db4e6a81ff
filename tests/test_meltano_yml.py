"""meltano.yml and the Hub's definition offer the tap's settings, no more and no less."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cometly.config import SETTINGS_SCHEMA
from tests.generated.hub import HUB, extractor
from tests.generated.readme import about
from tests.support.meltano import put_on_path
from tests.support.running import SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION = extractor()
OFFERED: dict[str, dict[str, Any]] = {s["name"]: s for s in DEFINITION["settings"]}
ABOUT = about()
PROPERTIES: dict[str, dict[str, Any]] = ABOUT["settings"]["properties"]
OLDEST_MELTANO = "meltano==3.9.5"
REMEDY = "correct meltano.yml, which is written by hand, and run `uv run python -m tests.generated`"

# Meltano 3.8 knows no decimals and 4.4 fails on one from the environment: a number that people
# write whole is an integer to it, another one a string, which leaves numbers as they are.
KINDS = {
    "string": {"string"},
    "boolean": {"boolean"},
    "integer": {"integer"},
    "number": {"integer", "string"},
    "object": {"object"},
}


# The parts of an object can be settings of their own: `batch_config.storage.root`.
PARTS = {name.split(".")[0] for name in OFFERED if "." in name}


def test_every_setting_is_offered_and_no_other() -> None:
    assert {name.split(".")[0] for name in OFFERED} == set(PROPERTIES), REMEDY


@pytest.mark.parametrize("name", sorted(PROPERTIES.keys() - PARTS))
def test_a_setting_is_offered_as_the_tap_means_it(name: str) -> None:
    setting, schema = OFFERED[name], PROPERTIES[name]
    [kind] = set(schema["type"]) - {"null"}

    assert setting["kind"] in ({"options"} if "enum" in schema else KINDS[kind]), REMEDY
    assert setting.get("value") == schema.get("default"), REMEDY
    assert setting.get("sensitive", False) == schema.get("secret", False), REMEDY
    assert [option["value"] for option in setting.get("options", [])] == schema.get("enum", [])
    assert setting["label"]
    assert setting["description"].endswith(".")


def test_the_settings_of_the_tap_are_described_in_its_own_words() -> None:
    for name in SETTINGS_SCHEMA["properties"]:
        told = " ".join(OFFERED[name]["description"].split())
        assert told == PROPERTIES[name]["description"], REMEDY


def test_what_has_no_default_must_be_set() -> None:
    assert DEFINITION["settings_group_validation"] == [ABOUT["settings"]["required"]]


def test_the_capabilities_are_those_of_the_tap() -> None:
    assert sorted(DEFINITION["capabilities"]) == sorted(ABOUT["capabilities"])


@pytest.mark.slow
def test_the_oldest_meltano_adds_the_tap_as_the_hub_defines_it(tmp_path: Path) -> None:
    # given
    put_on_path(tmp_path / "bin", "meltano", OLDEST_MELTANO)
    meltano = str(tmp_path / "bin" / "meltano")
    project = tmp_path / "meltano.yml"
    project.write_text("project_id: new\nsend_anonymous_usage_stats: false\n", "utf-8")
    add = ["add", "--plugin-type=extractor", "--no-install", f"--from-ref={HUB}", "tap-cometly"]
    # when
    subprocess.run([meltano, *add], check=True, cwd=tmp_path)  # noqa: S603
    # then
    definition = yaml.safe_load(project.read_text("utf-8"))
    [added] = definition["plugins"]["extractors"]
    assert added["pip_url"] == "tap-cometly"
    assert added["settings"] == DEFINITION["settings"]

    # when
    del added["pip_url"]  # nothing is installed
    added |= {"executable": SCRIPT.as_posix(), "config": {"rate_limit_share": 0.5}}
    project.write_text(yaml.safe_dump(definition), "utf-8")
    dump = [meltano, "invoke", "--dump=config", "tap-cometly"]
    dumped = subprocess.run(dump, check=True, cwd=tmp_path, capture_output=True, text=True)  # noqa: S603
    # then
    assert json.loads(dumped.stdout)["rate_limit_share"] == 0.5
