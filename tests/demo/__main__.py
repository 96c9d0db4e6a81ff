"""Two Meltano runs into a real PostgreSQL, and whether every contact arrived.

`uv run python -m tests.demo` needs no account and no database: a sandbox plays Cometly, with its
real rate limits. All it starts is stopped at the end, and nothing is written to the checkout.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.demo.outcome import Changes, Run, compare, tables
from tests.e2e.table import Table
from tests.sandbox import Sandbox, dated
from tests.support.meltano import MeltanoError, MeltanoProject
from tests.support.postgres import Postgres, PostgresError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

CONTACTS = 60_000
COMETLY = dated(timezone="America/Los_Angeles", job_seconds=2)
LOOKBACK_DAYS = 7
ADDED, COMPLETED, MERGED = 40, 25, 10


def main() -> int:
    for how_to_stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(how_to_stop, _leave)
    try:
        return _demonstrate()
    except (MeltanoError, PostgresError) as error:
        sys.exit(str(error))  # the log's last lines among it


def _demonstrate() -> int:
    with tempfile.NamedTemporaryFile(prefix="tap-cometly-demo-", suffix=".log", delete=False) as f:
        log = Path(f.name)
    _tell(f"The whole log is in {log}\n")
    with contextlib.ExitStack() as started:
        with _step("Starting a sandbox Cometly and a PostgreSQL"):
            cometly = started.enter_context(Sandbox(COMETLY))
            warehouse = started.enter_context(Postgres())
        now = datetime.now(timezone.utc).replace(microsecond=0)
        a_year_ago = now - timedelta(days=365)
        settings = {
            "TAP_COMETLY_API_KEY": COMETLY.api_key,
            "TAP_COMETLY_API_URL": cometly.api_url,
            "TAP_COMETLY_TIMEZONE": COMETLY.timezone,
            "TAP_COMETLY_START_DATE": a_year_ago.isoformat(),
            "TAP_COMETLY_INCLUDE_ALL_EMAILS": "true",
            "TAP_COMETLY_SETTLE_SECONDS": "1",  # the second run follows within seconds
            **warehouse.settings,
        }
        with _step(
            "Installing Meltano, the tap and target-postgres; the first time downloads them"
        ):
            meltano = started.enter_context(MeltanoProject(settings, log=log))
            meltano.script("meltano install tap-cometly target-postgres")
        cometly.space.fill(CONTACTS, a_year_ago, now, shape="growing")

        with _step(f"First run, of a year with {CONTACTS:,} contacts"):
            first = _run("first run", cometly, warehouse, meltano)
        changes = _life_goes_on(cometly)
        with _step(f"Second run, of what is new and the last {LOOKBACK_DAYS} days once more"):
            second = _run("second run", cometly, warehouse, meltano, lookback_days=LOOKBACK_DAYS)

        findings = compare(cometly, Table(warehouse, "cometly"), changes)
    sys.stdout.write(tables([first, second], findings))
    return 0 if all(finding.agrees for finding in findings) else 1


def _run(
    name: str,
    cometly: Sandbox,
    warehouse: Postgres,
    meltano: MeltanoProject,
    lookback_days: int = 0,
) -> Run:
    cometly.clear_requests()
    settings = {"TAP_COMETLY_LOOKBACK_DAYS": str(lookback_days)}
    meltano.run("tap-cometly", "target-postgres", settings=settings)
    [(rows_written,)] = warehouse.query(
        "SELECT count(*) FROM cometly.contacts WHERE _sdc_sync_started_at ="
        " (SELECT max(_sdc_sync_started_at) FROM cometly.contacts)"
    )
    bookmark = meltano.bookmark("tap-cometly-to-target-postgres")
    return Run(name, cometly.requests, rows_written, bookmark)


def _life_goes_on(cometly: Sandbox) -> Changes:
    """New contacts come; some that are known are completed, others merged."""
    space, now = cometly.space, datetime.now(timezone.utc)
    recent = space.ids(now - timedelta(days=LOOKBACK_DAYS - 1), now - timedelta(hours=1))
    by_email = [contact_id for contact_id in sorted(recent) if space.contact(contact_id).email]
    known = by_email[: COMPLETED + 2 * MERGED]
    completed, losers, winners = known[:COMPLETED], known[COMPLETED:-MERGED], known[-MERGED:]
    for contact_id in completed:
        space.change(contact_id, name="Completed Later", phone="+15550100")
    for loser, winner in zip(losers, winners, strict=True):
        space.merge(loser, into=winner)
    added = {
        space.add(
            created_at=datetime.now(timezone.utc),
            email=f"newcomer.{number}@example.com",
            name=f"Newcomer {number}",
        )
        for number in range(ADDED)
    }
    return Changes(added, set(completed), set(losers), set(winners))


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    began = time.monotonic()
    _tell(f"{what} ...")
    try:
        yield
    except BaseException:
        _tell("\n")
        raise
    _tell(f" {time.monotonic() - began:.0f} s\n")


def _tell(words: str) -> None:
    """Write to standard error; standard output is for the tables."""
    sys.stderr.write(words)
    sys.stderr.flush()


def _leave(signal_number: int, _frame: FrameType | None) -> None:
    """Leave by way of every `with`, so that nothing is left running."""
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
