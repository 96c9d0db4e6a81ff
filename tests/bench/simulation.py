"""A whole sync of a Space of any size in virtual time: the tap's own code against a model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import OptionalColumns, fields_asked
from tap_cometly.extract.extractor import Extractor
from tap_cometly.extract.pagination import ContactList, CursorPaginator, ServedLength
from tap_cometly.extract.services import Services
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.progress import Progress
from tap_cometly.timeranges import SyncRange
from tests.bench.model import ModelClient, ModelRepository, job_time
from tests.bench.spaces import EPOCH
from tests.bench.virtual import VirtualTime
from tests.support.logs import logged

if TYPE_CHECKING:
    from tap_cometly.client.client import Endpoint
    from tests.bench.spaces import Space

POSTS_A_MINUTE = 5


@dataclass(frozen=True)
class Outcome:
    """How a sync went.

    Attributes:
        wall: Seconds it took.
        bound: Seconds that a plan which knows everything would take at least.
        contacts: How many came.
        exported: How many contacts each window held that an export read.
        by_pages: How many contacts each other window held.
        posts: Exports created.
        largest: The largest window, as a multiple of the target.
        requests: By endpoint.
        most_in_a_minute: The most requests in any 60 s, by endpoint.
        spool: Bytes on the disk, at most.
        spool_files: Files on the disk, at most.
        noticed_after: Seconds from the completion of each job to the answer that told of it.
        warnings: What the tap warned of.
    """

    wall: float
    bound: float
    contacts: int
    exported: list[int]
    by_pages: list[int]
    posts: int
    largest: float
    requests: dict[Endpoint, int]
    most_in_a_minute: dict[Endpoint, int]
    spool: int
    spool_files: int
    noticed_after: list[float]
    warnings: list[str]

    @property
    def ratio(self) -> float:
        return self.wall / self.bound


def settings_with(**config: object) -> Settings:
    """The tap's defaults, but for some settings."""
    defaults = {
        name: setting["default"]
        for name, setting in SETTINGS_SCHEMA["properties"].items()
        if "default" in setting
    }
    required = {"api_key": "ck", "start_date": EPOCH.replace(tzinfo=None).isoformat()}
    return Settings.of({**defaults, **required, **config})


def least_time(contacts: int, settings: Settings) -> float:
    """What a plan that knows everything would take at least."""
    exports = ceil(contacts / settings.export_target_size)
    job = job_time(min(contacts, settings.export_target_size))
    return max(
        (exports - 1) // POSTS_A_MINUTE * 60 + job,
        ceil(exports / settings.max_parallel_exports) * job,
    )


def simulate(space: Space, **config: object) -> Outcome:
    """Read a Space with the tap's settings, and see how it goes."""
    settings = settings_with(**config)
    clock = VirtualTime(EPOCH + timedelta(seconds=space.seconds + settings.settle_seconds))
    client = ModelClient(space, settings, clock)
    repository, reading = _extractor(client, settings)
    sync_range = SyncRange.of(
        settings.start,
        None,
        lookback=timedelta(),
        end_date=None,
        settle=timedelta(seconds=settings.settle_seconds),
    )
    held: dict[bool, list[int]] = {True: [], False: []}
    with logged("tap_cometly", logging.WARNING) as warnings:
        for extract in reading.extract(sync_range):
            held["export" in extract.method].append(sum(map(len, extract.contacts)))
    wall = clock.monotonic()
    clock.close()
    client.close()
    windows = held[True] + held[False]
    return Outcome(
        wall=wall,
        bound=least_time(space.contacts, settings),
        contacts=sum(windows),
        exported=held[True],
        by_pages=held[False],
        posts=len(client.jobs),
        largest=max(windows) / settings.export_target_size,
        requests={kind: ledger.requests for kind, ledger in client.ledgers.items()},
        most_in_a_minute={kind: led.most_in_a_minute for kind, led in client.ledgers.items()},
        spool=repository.disk.most_used,
        spool_files=repository.disk.most_files,
        noticed_after=[min(job.noticed) - job.done_at for job in client.jobs if job.noticed],
        warnings=warnings,
    )


def _extractor(client: ModelClient, settings: Settings) -> tuple[ModelRepository, Extractor]:
    """Put the tap's parts together as `open_services` does."""
    fields = fields_asked(())
    contacts = ContactList(client, ContactDecoder(fields, RepairLog()), {}, ServedLength())
    timezone_check = TimezoneCheck(contacts, settings.zone, client.latest_now)
    paginator = CursorPaginator(
        contacts,
        OptionalColumns(fields, "The list"),
        page_size=settings.page_size,
        inspect=timezone_check.inspect,
    )
    repository = ModelRepository(client, contacts.newest)
    services = Services(
        client=client,
        contacts=contacts,
        every_column=contacts,
        paginator=paginator,
        timezone_check=timezone_check,
        repository=repository,
        export_columns=OptionalColumns(fields, "The export"),
        tasks=client.clock,
        clock=client.clock,
    )
    return repository, Extractor(settings, services, Progress(client.clock))
