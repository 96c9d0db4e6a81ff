"""Contacts through `meltano run` into PostgreSQL, in three ways."""

from __future__ import annotations

import json
import resource
import time
from typing import TYPE_CHECKING, Any

from tests.bench.cost.measuring import FailedError
from tests.support.meltano import MeltanoProject
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.cost.bench import Bench

FAST = {"use_copy": True, "validate_records": False}
BATCH = "the same, BATCH"
WAYS: dict[str, dict[str, Any]] = {
    "the target's defaults": {"use_copy": False, "validate_records": True},
    "`use_copy`, `validate_records: false`": FAST,
    BATCH: FAST,
}


def end_to_end(bench: Bench, contacts: int) -> Iterator[tuple[str, str, str]]:
    """Move contacts with Meltano, each way into an empty database, and tell what that took.

    CPU seconds are those of Meltano, tap and target together, PostgreSQL's not.
    """
    settings = bench.settings(contacts)
    with (
        Postgres() as warehouse,
        MeltanoProject(warehouse.settings, {"send_anonymous_usage_stats": False}) as meltano,
    ):
        # Nothing to read: this installs the plugins.
        never = {"start_date": "2098-01-01", "end_date": "2099-01-01"}
        nothing = _environment("TAP_COMETLY", settings | never)
        meltano.run("tap-cometly", "target-postgres", settings=nothing)
        for way, target in WAYS.items():
            batches = _in_parts(bench.batch_config()) if way == BATCH else {}
            into = target | {"default_target_schema": "bench"}
            environment = {
                **_environment("TAP_COMETLY", settings | batches),
                **_environment("TARGET_POSTGRES", into),
            }
            cpu, wall = _timed(meltano, environment)
            arrived = _rows(warehouse)
            if arrived < contacts:
                message = f"{way}: {arrived} of {contacts} contacts arrived"
                raise FailedError(message)
            yield way, f"{cpu:.1f}", f"{wall:.1f}"


def _timed(meltano: MeltanoProject, environment: Mapping[str, str]) -> tuple[float, float]:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    meltano.run("--full-refresh", "tap-cometly", "target-postgres", settings=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - began


def _rows(warehouse: Postgres) -> int:
    [(rows,)] = warehouse.query("SELECT count(*) FROM bench.contacts")
    warehouse.query("DROP SCHEMA bench CASCADE")
    return int(rows)


def _environment(plugin: str, settings: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{plugin}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def _in_parts(batch_config: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The setting as Meltano knows it."""
    return {
        f"batch_config_{part}_{name}": value
        for part, values in batch_config.items()
        for name, value in values.items()
    }
