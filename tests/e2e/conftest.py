"""Spaces to read, and what reads and loads them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Options, Sandbox
from tests.support.catalogs import catalog
from tests.support.fixtures import postgres
from tests.support.meltano import MeltanoProject
from tests.support.properties import PLENTY
from tests.support.recipes import recipe
from tests.support.running import Run, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.fixture import StartSandbox
    from tests.support.fake_s3 import FakeS3
    from tests.support.postgres import Postgres

__all__ = ["postgres"]

START = datetime(2024, 1, 2, tzinfo=timezone.utc)  # meltano.yml starts the day before
END = datetime(2024, 12, 31, tzinfo=timezone.utc)

QUICK = Options(limits=PLENTY, queued_seconds=0, timezone="America/Los_Angeles")
CONFIG = {"timezone": QUICK.timezone, "settle_seconds": 0, "include_all_emails": True}
FULL = {"emit_activate_version_messages": True}

PLUGINS_OF_RECIPES = (
    "Many Spaces",
    "A long backfill in shards",
    "Masking personal data",
    "Loading fast",
)


@dataclass(frozen=True)
class Cometly:
    """A Space and runs of the tap against it, in this process."""

    sandbox: Sandbox
    batches: Path

    def sync(self, last: Run | None = None, **config: Any) -> Run:
        """Go on where the last run ended."""
        state = last.state if last else None
        return _complete(sync(self.sandbox, {**CONFIG, **config}, state))

    def full_sync(self, **config: Any) -> Run:
        """Read everything as a FULL_TABLE, and activate its version."""
        chosen = catalog(method="FULL_TABLE", include_all_emails=True)
        return _complete(sync(self.sandbox, {**CONFIG, **FULL, **config}, catalog=chosen))

    def batch_config(self, size: int, compression: str = "gzip") -> dict[str, Any]:
        """The setting that turns BATCH messages on."""
        encoding = {"format": "jsonl", "compression": compression}
        storage = {"root": self.batches.as_uri()}
        return {"batch_config": {"encoding": encoding, "storage": storage, "batch_size": size}}


@pytest.fixture
def cometly(sandbox: StartSandbox, tmp_path: Path) -> Cometly:
    return Cometly(sandbox(replace(QUICK)), tmp_path / "batches")


@pytest.fixture(scope="session")
def meltano(postgres: Postgres) -> Iterator[MeltanoProject]:
    """One project for all: installing its plugins and starting it takes most of the time."""
    additions = [recipe(title).yaml for title in PLUGINS_OF_RECIPES]
    settings = {
        "TAP_COMETLY_API_KEY": QUICK.api_key,
        "TAP_COMETLY_SETTLE_SECONDS": "0",
        "TAP_COMETLY_INCLUDE_ALL_EMAILS": "true",
        "TARGET_POSTGRES_HOST": postgres.host,
        "TARGET_POSTGRES_PORT": str(postgres.port),
        "TARGET_POSTGRES_USER": postgres.user,
        "TARGET_POSTGRES_PASSWORD": postgres.password,
        "TARGET_POSTGRES_DATABASE": postgres.database,
    }
    with MeltanoProject(settings, FULL_SYNCS, *additions, quiet=True) as project:
        yield project


@pytest.fixture(scope="session")
def s3() -> Iterator[FakeS3]:
    from tests.support.fake_s3 import fake_s3  # noqa: PLC0415, takes a second, for few tests

    with fake_s3("my-bucket") as started:
        yield started


# Once its rows are marked, once deleted; once they come as RECORDs, once as BATCHes.
FULL_SYNCS = {
    "plugins": {
        "extractors": [
            {
                "name": "tap-cometly--full",
                "inherit_from": "tap-cometly",
                "config": FULL,
                "metadata": {"contacts": {"replication-method": "FULL_TABLE"}},
            },
            {"name": "tap-cometly--full-batch", "inherit_from": "tap-cometly--full"},
        ],
        "loaders": [
            {
                "name": "target-postgres--marking",
                "inherit_from": "target-postgres",
                "config": {"default_target_schema": "marking"},
            },
            {
                "name": "target-postgres--deleting",
                "inherit_from": "target-postgres",
                "config": {"default_target_schema": "deleting", "hard_delete": True},
            },
        ],
    }
}


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


def _complete(run: Run) -> Run:
    assert run.exit == 0, run.log
    return run
