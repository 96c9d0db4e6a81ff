"""The documented recipes work as they are written there.

Those that are plugins for Meltano (several Spaces, masking, BATCH) are loaded in `test_postgres`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.conftest import END, QUICK, START, newcomer, read_from
from tests.e2e.table import Table, contacts_in, contacts_of
from tests.support.fake_s3 import fake_s3
from tests.support.meltano import CHECKOUT, MELTANO, put_on_path, uv
from tests.support.recipes import recipe
from tests.support.running import SCRIPT, config_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.meltano import MeltanoProject
    from tests.support.postgres import Postgres

MELTANO_YML = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))
SCHEDULES = {schedule["name"]: schedule["interval"] for schedule in MELTANO_YML["schedules"]}
HOURLY = "Hourly, and once a night with lookback"
TARGET_JSONL = "target-jsonl~=0.1.4"


def command(schedule: str) -> str:
    return f"meltano --environment=prod schedule run {schedule}"


# On a schedule.


def test_the_schedules_are_those_of_meltano_yml() -> None:
    assert recipe(HOURLY).yaml["schedules"] == MELTANO_YML["schedules"]


def test_cron_runs_each_schedule_at_its_time() -> None:
    path, *lines = recipe("Cron").only("cron").splitlines()

    assert path.startswith("PATH=/")
    times = [" ".join(line.split()[:5]) for line in lines]
    assert dict(zip(SCHEDULES, times, strict=True)) == SCHEDULES
    for schedule, line in zip(SCHEDULES, lines, strict=True):
        assert line.endswith(f" cd /srv/cometly && {command(schedule)}")


def test_airflow_runs_each_schedule_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given stand-ins that note what the snippet makes
    dags: dict[str, Any] = {}
    commands: list[str] = []
    sdk, bash = ModuleType("airflow.sdk"), ModuleType("airflow.providers.standard.operators.bash")
    vars(sdk)["DAG"] = lambda name, **given: nullcontext(dags.update({name: given}))
    vars(bash)["BashOperator"] = lambda **given: commands.append(given["bash_command"])
    monkeypatch.setitem(sys.modules, sdk.__name__, sdk)
    monkeypatch.setitem(sys.modules, bash.__name__, bash)

    exec(compile(recipe("Airflow").only("python"), "Airflow", "exec"), {})  # noqa: S102, ours

    assert {name: dag["schedule"] for name, dag in dags.items()} == {
        f"cometly-{name}": interval for name, interval in SCHEDULES.items()
    }
    assert all(not dag["catchup"] and dag["max_active_runs"] == 1 for dag in dags.values())
    assert commands == [f"cd /srv/cometly && {command(name)}" for name in SCHEDULES]


def test_dagster_runs_each_schedule_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given stand-ins that note what the snippet makes, and what it would start
    started: list[str] = []
    dagster = ModuleType("dagster")
    vars(dagster).update(
        op=lambda **_: lambda function: function,
        job=lambda **_: lambda function: function,
        RetryPolicy=SimpleNamespace,
        ScheduleDefinition=SimpleNamespace,
        Definitions=SimpleNamespace,
    )
    monkeypatch.setitem(sys.modules, "dagster", dagster)

    def run(args: list[str], cwd: str, *, check: bool) -> None:
        started.append(f"{cwd} {check} {' '.join(args)}")

    monkeypatch.setattr(subprocess, "run", run)

    made: dict[str, Any] = {}
    exec(compile(recipe("Dagster").only("python"), "Dagster", "exec"), made)  # noqa: S102, ours
    schedules = made["defs"].schedules
    for schedule in schedules:
        schedule.job()

    assert [schedule.cron_schedule for schedule in schedules] == list(SCHEDULES.values())
    assert started == [f"/srv/cometly True {command(name)}" for name in SCHEDULES]


# A long backfill in shards.


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_shards_load_every_contact_and_leave_a_bookmark_for_the_hourly_runs(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres
) -> None:
    # Given contacts of three years, some on the very boundaries
    cometly = sandbox(replace(QUICK))
    first, *others = [datetime(year, 1, 1, 8, tzinfo=timezone.utc) for year in range(2022, 2026)]
    cometly.space.fill(900, first, others[-1])
    for boundary in others:
        cometly.space.add(created_at=boundary)
    settings = _loading(cometly, "shards")

    # When the recipe is followed, and then the first hourly run comes
    meltano.script(recipe("A long backfill in shards").only("bash"), settings)
    loaded = Table(postgres, "shards").rows()
    bookmark = meltano.bookmark("tap-cometly-to-target-postgres")
    cometly.clear_requests()
    newcomer(cometly)
    meltano.script("meltano schedule run contacts-hourly", settings)

    # Then nobody is missing, and only what is new was read again
    assert loaded.keys() >= cometly.space.ids(first, others[-1])
    assert bookmark == "2025-01-01T08:00:00Z"
    assert contacts_in(Table(postgres, "shards").rows()) == contacts_of(cometly)
    assert sum(request.rows for request in cometly.requests) < 10


# State in a bucket.


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_state_in_a_bucket_is_where_the_next_run_goes_on(
    sandbox: StartSandbox, meltano: MeltanoProject, tmp_path: Path
) -> None:
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(100, START, END)
    put_on_path(tmp_path, "meltano", MELTANO.replace("meltano", "meltano[s3]"))
    with fake_s3("my-bucket") as s3:
        settings = {
            **read_from(cometly),
            **s3.environment,
            "MELTANO_STATE_BACKEND_URI": recipe("State in a bucket").yaml["state_backend"]["uri"],
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        }
        meltano.run("tap-cometly", "target-jsonl", settings=settings)
        cometly.clear_requests()
        newcomer(cometly)
        meltano.run("tap-cometly", "target-jsonl", settings=settings)

        assert any(url.endswith("state.json") for url in s3.urls())
    assert sum(request.rows for request in cometly.requests) < 10


# In a container.


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_steps_of_the_dockerfile_install_the_tap(tmp_path: Path) -> None:
    # Given what is copied into the image
    container = recipe("In a container")
    steps = [line.split(" ", 1) for line in container.only("dockerfile").splitlines()]
    left_out = container.only("text").split()
    home = tmp_path / "home"
    shutil.copytree(CHECKOUT, home, ignore=shutil.ignore_patterns(*left_out))

    # When its steps are taken here, for a machine seldom has an engine that builds images
    cache = subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True)  # noqa: S603
    environment = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{home / '.local' / 'bin'}:{os.environ['PATH']}",
        "UV_CACHE_DIR": cache.stdout.strip(),
    }
    commands = [command for kind, command in steps if kind == "RUN"][1:]  # the first wants a root
    for command in (*commands, "meltano invoke tap-cometly --version"):
        ran = subprocess.run(  # noqa: S603, our own documentation
            ["bash", "-c", command],  # noqa: S607, any bash will do
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr

    # Then the tap can be run
    assert ran.stdout.startswith("tap-cometly v")


# Without Meltano.


def test_a_pipe_and_a_state_file_are_enough(sandbox: StartSandbox, tmp_path: Path) -> None:
    # Given a folder with a configuration, and both programs on the PATH
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(100, START, END)
    put_on_path(tmp_path / "bin", "target-jsonl", TARGET_JSONL)
    (tmp_path / "bin" / "tap-cometly").symlink_to(SCRIPT)
    _configure(tmp_path, cometly)

    # When the script has run twice, then the second run loads only what is new
    assert _pipe(tmp_path).returncode == 0
    came = newcomer(cometly)
    assert _pipe(tmp_path).returncode == 0
    loaded = _loaded(tmp_path)
    assert sorted(loaded) == sorted(cometly.space.ids())
    assert loaded[-1] == came

    # When the tap fails, then the script tells of it and keeps the state
    state = (tmp_path / "state.json").read_text("utf-8")
    _configure(tmp_path, cometly, api_key="wrong")
    failed = _pipe(tmp_path)
    assert failed.returncode != 0
    assert "`api_key`" in failed.stderr
    assert (tmp_path / "state.json").read_text("utf-8") == state


def _configure(folder: Path, cometly: Sandbox, **more: Any) -> None:
    config = config_for(cometly, {"timezone": QUICK.timezone, "settle_seconds": 0, **more})
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def _pipe(folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "sync.sh"
    script.write_text(recipe("Without Meltano").only("bash"), "utf-8")
    return subprocess.run(  # noqa: S603, our own documentation
        ["bash", script],  # noqa: S607, any bash will do
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _loaded(folder: Path) -> list[int]:
    """Ids in the files of target-jsonl, oldest file first."""
    files = sorted(folder.glob("contacts*.jsonl"), key=lambda path: path.stat().st_mtime)
    return [json.loads(line)["id"] for file in files for line in file.read_text().splitlines()]


def _loading(cometly: Sandbox, schema: str) -> dict[str, str]:
    return {**read_from(cometly), "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": schema}
