"""Two Meltano runs into a real PostgreSQL, and whether every contact arrived.

`uv run python -m tests.demo` needs no account and no database: a sandbox plays Cometly, with its
real rate limits. All it starts is stopped at the end, and nothing is written to the checkout.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.demo.checks import compare
from tests.demo.life import LOOKBACK_DAYS, life_goes_on
from tests.demo.report import show, step, tell
from tests.demo.run import watch
from tests.sandbox import Sandbox, dated
from tests.support.meltano import MeltanoError, MeltanoProject
from tests.support.postgres import Postgres, PostgresError

if TYPE_CHECKING:
    from types import FrameType

CONTACTS = 60_000
COMETLY = dated(timezone="America/Los_Angeles", job_seconds=2)


def main() -> int:
    for how_to_stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(how_to_stop, _leave)
    try:
        return _demonstrate()
    except (MeltanoError, PostgresError) as error:
        sys.exit(str(error))  # the log's last lines among it


def _demonstrate() -> int:
    log = _new_file()
    tell(f"The whole log is in {log}")
    with contextlib.ExitStack() as started:
        with step("Starting a sandbox Cometly and a PostgreSQL"):
            cometly = started.enter_context(Sandbox(COMETLY))
            warehouse = started.enter_context(Postgres())
        with step("Installing Meltano, the tap and target-postgres; the first time downloads them"):
            settings = _settings(cometly, warehouse)
            meltano = started.enter_context(MeltanoProject(settings, log=log))
            meltano.script("meltano install tap-cometly target-postgres")
        now = datetime.now(timezone.utc).replace(microsecond=0)
        a_year_ago = now - timedelta(days=365)
        cometly.space.fill(CONTACTS, a_year_ago, now, shape="growing")

        what = f"First run, of a year with {CONTACTS:,} contacts"
        with step(what), watch("first run", cometly, warehouse, meltano) as first:
            _run(meltano, start_date=a_year_ago.isoformat())

        changes = life_goes_on(cometly.space)

        what = f"Second run, of what is new and the last {LOOKBACK_DAYS} days once more"
        with step(what), watch("second run", cometly, warehouse, meltano) as second:
            _run(meltano, start_date=a_year_ago.isoformat(), lookback_days=str(LOOKBACK_DAYS))

        repairs = compare(cometly.space, warehouse, changes)
    show([first, second], repairs)
    return 0 if all(finding.agrees for finding in repairs) else 1


def _new_file() -> Path:
    with tempfile.NamedTemporaryFile(prefix="tap-cometly-demo-", suffix=".log", delete=False) as f:
        return Path(f.name)


def _run(meltano: MeltanoProject, **tap_settings: str) -> None:
    settings = {f"TAP_COMETLY_{name.upper()}": value for name, value in tap_settings.items()}
    meltano.run("tap-cometly", "target-postgres", settings=settings)


def _settings(cometly: Sandbox, warehouse: Postgres) -> dict[str, str]:
    return {
        "TAP_COMETLY_API_KEY": COMETLY.api_key,
        "TAP_COMETLY_API_URL": cometly.api_url,
        "TAP_COMETLY_TIMEZONE": COMETLY.timezone,
        "TAP_COMETLY_INCLUDE_ALL_EMAILS": "true",
        "TAP_COMETLY_SETTLE_SECONDS": "1",  # the second run follows within seconds
        "TARGET_POSTGRES_HOST": warehouse.host,
        "TARGET_POSTGRES_PORT": str(warehouse.port),
        "TARGET_POSTGRES_USER": warehouse.user,
        "TARGET_POSTGRES_PASSWORD": warehouse.password,
        "TARGET_POSTGRES_DATABASE": warehouse.database,
    }


def _leave(signal_number: int, _frame: FrameType | None) -> None:
    """Leave by way of every `with`, so that nothing is left running."""
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
