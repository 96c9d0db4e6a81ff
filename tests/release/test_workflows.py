"""Workflows run what was reviewed, with no more rights than they need."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from typing import Any

import pytest
import yaml

from tests.release.building import CHECKOUT

FILES = sorted((CHECKOUT / ".github" / "workflows").iterdir())
TEXTS = {file.stem: file.read_text("utf-8") for file in FILES}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(TEXTS[name]) for name in TEXTS}
JOBS: dict[str, dict[str, Any]] = {
    f"{name}/{job}": definition
    for name, workflow in WORKFLOWS.items()
    for job, definition in workflow["jobs"].items()
}
PUBLISH = JOBS["release/publish"]

PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
ON = True  # what YAML makes of the key `on`


def uses() -> list[str]:
    found = [re.findall(r"^[ -]*uses: *(.+)$", text, re.MULTILINE) for text in TEXTS.values()]
    return [use for used in found for use in used]


def test_every_action_is_pinned_by_hash_and_its_version_told() -> None:
    steps = [step for job in JOBS.values() for step in job["steps"]]

    assert len(uses()) == sum("uses" in step for step in steps) > 0
    assert [use for use in uses() if not PINNED.fullmatch(use)] == []


def test_an_action_is_the_same_everywhere() -> None:
    names = {use.partition("@")[0] for use in uses()}

    assert len(set(uses())) == len(names)


@pytest.mark.parametrize("name", [name for name in JOBS if name != "release/publish"])
def test_a_job_may_read_the_repository_and_no_more(name: str) -> None:
    general = WORKFLOWS[name.partition("/")[0]]["permissions"]

    assert JOBS[name].get("permissions", general) == {"contents": "read"}


def test_what_publishes_may_tell_who_it_is_and_no_more() -> None:
    assert PUBLISH["permissions"] == {"id-token": "write"}
    assert PUBLISH["environment"]["name"] == "pypi"


def test_what_publishes_runs_two_actions_on_what_was_built_and_tested() -> None:
    actions = [step["uses"].partition("@")[0] for step in PUBLISH["steps"]]

    assert actions == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert PUBLISH["steps"][-1]["with"] == {"attestations": True}
    assert set(PUBLISH["needs"]) == {"build", "test"}


def test_only_a_tag_releases_and_only_after_the_check() -> None:
    commands = [step.get("run", "") for step in JOBS["release/build"]["steps"]]

    assert WORKFLOWS["release"][ON] == {"push": {"tags": ["v*"]}}
    assert 'python -m tests.release.check "$GITHUB_REF_NAME" dist' in " ".join(commands)


@pytest.mark.parametrize("name", JOBS)
def test_no_job_keeps_credentials_runs_templates_or_hangs(name: str) -> None:
    job = JOBS[name]
    checkouts = [step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]

    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert not any("${{" in step.get("run", "") for step in job["steps"])
    assert job["timeout-minutes"] <= 20


def test_ci_runs_on_every_python_that_is_promised() -> None:
    promised = [
        classifier.split()[-1]
        for classifier in metadata("tap-cometly").get_all("Classifier", [])
        if classifier.startswith("Programming Language :: Python :: 3.")
    ]

    assert JOBS["ci/check"]["strategy"]["matrix"]["python"] == promised


def test_what_runs_before_a_commit_is_what_ci_runs() -> None:
    ci = (CHECKOUT / ".ci" / "run").read_text("utf-8")
    hooks = (CHECKOUT / ".pre-commit-config.yaml").read_text("utf-8")
    checks = re.findall(r"^\S+ run ((?:ruff|mypy).*?)(?: --check| &)?$", ci, re.MULTILINE)

    assert checks == ["ruff check", "ruff format", "mypy"]
    assert [check for check in checks if f"entry: uv run {check}" not in hooks] == []
