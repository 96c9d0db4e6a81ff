"""Contacts through `meltano run` into PostgreSQL, in three ways."""

from __future__ import annotations

import json
import resource
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.cost.figures import log
from tests.bench.cost.measuring import FailedError
from tests.support.meltano import MeltanoProject
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.cost.bench import Bench

FAST = {"use_copy": True, "validate_records": False}
BATCH = "the same, BATCH"
WAYS: dict[str, dict[str, Any]] = {
    "the target's defaults": {"use_copy": False, "validate_records": True},
    "`use_copy`, `validate_records: false`": FAST,
    BATCH: FAST,
}


class EndToEnd(NamedTuple):
    """What moving all contacts took: Meltano, tap and target together, PostgreSQL not."""

    wall: float
    cpu: float


def end_to_end(bench: Bench, contacts: int) -> dict[str, EndToEnd]:
    """Move contacts with Meltano, each way into an empty database."""
    settings = bench.settings(contacts) | {"extraction_mode": "export"}
    with (
        Postgres() as warehouse,
        MeltanoProject(_warehouse(warehouse), {"send_anonymous_usage_stats": False}) as meltano,
    ):
        # Nothing to read: this installs the plugins.
        never = {"start_date": "2098-01-01", "end_date": "2099-01-01"}
        nothing = _environment("TAP_COMETLY", settings | never)
        meltano.run("tap-cometly", "target-postgres", settings=nothing)
        found = {}
        for way, target in WAYS.items():
            batches = _flat({"batch_config": bench.batch_config()}) if way == BATCH else {}
            into = target | {"default_target_schema": "bench"}
            environment = {
                **_environment("TAP_COMETLY", settings | batches),
                **_environment("TARGET_POSTGRES", into),
            }
            found[way] = _timed(meltano, environment)
            arrived = _rows(warehouse)
            if arrived < contacts:
                message = f"{way}: {arrived} of {contacts} contacts arrived"
                raise FailedError(message)
            log(f"end to end, {way}: {found[way]}")
    return found


def _timed(meltano: MeltanoProject, environment: Mapping[str, str]) -> EndToEnd:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    meltano.run("--full-refresh", "tap-cometly", "target-postgres", settings=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return EndToEnd(time.monotonic() - began, cpu)


def _rows(warehouse: Postgres) -> int:
    [(rows,)] = warehouse.query("SELECT count(*) FROM bench.contacts")
    warehouse.query("DROP SCHEMA bench CASCADE")
    return int(rows)


def _warehouse(warehouse: Postgres) -> dict[str, str]:
    settings = {
        "host": warehouse.host,
        "port": warehouse.port,
        "user": warehouse.user,
        "password": warehouse.password,
        "database": warehouse.database,
    }
    return _environment("TARGET_POSTGRES", settings)


def _environment(plugin: str, settings: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{plugin}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }


def _flat(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in nested.items():
        inner = _flat(value, f"{before}{name}_") if isinstance(value, dict) else None
        found |= inner if inner is not None else {before + name: value}
    return found
