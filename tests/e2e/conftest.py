"""Spaces to read, and what reads and loads them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox, dated
from tests.support.catalogs import catalog
from tests.support.clock import FakeClock
from tests.support.fixtures import postgres
from tests.support.meltano import MeltanoProject
from tests.support.properties import PLENTY
from tests.support.recipes import recipe
from tests.support.running import Run, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.fixture import StartSandbox
    from tests.support.postgres import Postgres

__all__ = ["postgres"]

START = datetime(2024, 1, 2, tzinfo=timezone.utc)  # meltano.yml starts the day before
END = datetime(2024, 12, 31, tzinfo=timezone.utc)

QUICK = dated(limits=PLENTY, queued_seconds=0, timezone="America/Los_Angeles")
CONFIG = {"timezone": QUICK.timezone, "settle_seconds": 0, "include_all_emails": True}
NOW = datetime(2025, 1, 1, tzinfo=timezone.utc)

PLUGINS_OF_RECIPES = (
    "Many Spaces",
    "A long backfill in shards",
    "Masking personal data",
    "Dropping rows that are no longer there",
    "Loading fast",
)


@dataclass(frozen=True)
class Cometly:
    """A Space and runs of the tap against it, in this process and in virtual time."""

    sandbox: Sandbox
    clock: FakeClock
    batches: Path

    def sync(self, last: Run | None = None, **config: Any) -> Run:
        """Go on where the last run ended."""
        state = last.state if last else None
        return self._complete(sync(self.sandbox, {**CONFIG, **config}, state, clock=self.clock))

    def full_sync(self, **config: Any) -> Run:
        """Read everything as a FULL_TABLE, and activate its version."""
        chosen = catalog(method="FULL_TABLE", include_all_emails=True)
        config = {**CONFIG, "emit_activate_version_messages": True, **config}
        return self._complete(sync(self.sandbox, config, catalog=chosen, clock=self.clock))

    def _complete(self, run: Run) -> Run:
        assert run.exit == 0, run.log
        return run

    def batch_config(self, size: int, compression: str = "gzip") -> dict[str, Any]:
        """The setting that turns BATCH messages on."""
        encoding = {"format": "jsonl", "compression": compression}
        storage = {"root": self.batches.as_uri()}
        return {"batch_config": {"encoding": encoding, "storage": storage, "batch_size": size}}


@pytest.fixture
def cometly(sandbox: StartSandbox, tmp_path: Path) -> Cometly:
    clock = FakeClock(NOW)
    started = sandbox(replace(QUICK), now=clock.epoch, monotonic=clock.monotonic)
    return Cometly(started, clock, tmp_path / "batches")


@pytest.fixture(scope="session")
def meltano(postgres: Postgres) -> Iterator[MeltanoProject]:
    """One project for all: installing its plugins and starting it takes most of the time."""
    additions = [recipe(title).yaml for title in PLUGINS_OF_RECIPES]
    settings = {
        "TAP_COMETLY_API_KEY": QUICK.api_key,
        "TAP_COMETLY_SETTLE_SECONDS": "0",
        "TAP_COMETLY_INCLUDE_ALL_EMAILS": "true",
        **postgres.settings,
    }
    # Not UTC, in which whatever depends on the zone of the loader's session would be right.
    postgres.query("ALTER ROLE postgres SET timezone TO 'America/New_York'")
    with MeltanoProject(settings, *additions) as project:
        yield project


def read_from(cometly: Sandbox) -> dict[str, str]:
    """Settings that tell where a Space is, for Meltano."""
    return {
        "TAP_COMETLY_API_URL": cometly.api_url,
        "TAP_COMETLY_TIMEZONE": cometly.options.timezone,
    }


def newcomer(cometly: Sandbox, **fields: Any) -> int:
    """Somebody who fills in a form just now: after the last run, before the next one."""
    known = {"email": "ada.lovelace@example.com", "name": "Ada Lovelace", **fields}
    contact = cometly.space.add(created_at=datetime.now(timezone.utc), **known)
    time.sleep(1.1)  # a run reads up to the whole second it begins in
    return contact
