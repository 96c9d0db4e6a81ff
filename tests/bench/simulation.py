"""A whole sync of a Space of any size in virtual time: the tap's own code against a model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from tap_cometly.extract.connection_report import ConnectionReport

from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.contacts.schema import OptionalColumns
from tap_cometly.exports.reader import ExportReader
from tap_cometly.extract.extractor import Extractor
from tap_cometly.extract.pagination import CursorPaginator
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.progress import Progress
from tests.bench.model import Cometly, ModelListing, job_time
from tests.bench.sizing import EPOCH, contacts_in, whole
from tests.bench.virtual import VirtualTime

if TYPE_CHECKING:
    from tap_cometly.client.client import Endpoint
    from tests.bench.spaces import Space

POSTS_A_MINUTE = 5

_logger = logging.getLogger("tests.bench")


@dataclass(frozen=True)
class Outcome:
    """How a sync went.

    Attributes:
        wall: Seconds it took.
        bound: Seconds that a plan which knows everything would take at least.
        contacts: How many came.
        windows: How many contacts each window held.
        posts: Exports created.
        largest: The largest window, as a multiple of the target.
        requests: By endpoint.
        most_in_a_minute: The most requests in any 60 s, by endpoint.
        spool: Bytes on the disk, at most.
        spool_files: Files on the disk, at most.
    """

    wall: float
    bound: float
    contacts: int
    windows: list[int]
    posts: int
    largest: float
    requests: dict[Endpoint, int]
    most_in_a_minute: dict[Endpoint, int]
    spool: int
    spool_files: int

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
    required = {"api_key": "ck", "start_date": EPOCH.isoformat()}
    return Settings.of({**defaults, **required, **config})


def least_time(contacts: int, settings: Settings) -> float:
    """Issue 3's bound: what a plan that knows everything would take at least."""
    exports = ceil(contacts / settings.export_target_size)
    job = job_time(min(contacts, settings.export_target_size))
    return max(
        (exports - 1) // POSTS_A_MINUTE * 60 + job,
        ceil(exports / settings.max_parallel_exports) * job,
    )


def simulate(space: Space, **config: object) -> Outcome:
    """Read a Space with the tap's settings, and see how it goes."""
    settings = settings_with(**config)
    clock = VirtualTime(EPOCH + timedelta(seconds=space.seconds + 60))
    cometly = Cometly(space, clock, _logger)
    held: list[int] = []
    for window, blocks in _extraction(cometly, settings).windows(whole(space)):
        held.append(sum(map(len, blocks)))
        assert held[-1] == contacts_in(space, window)
    wall = clock.monotonic()
    clock.close()
    return Outcome(
        wall=wall,
        bound=least_time(space.contacts, settings),
        contacts=sum(held),
        windows=held,
        posts=len(cometly.jobs),
        largest=max(held) / settings.export_target_size,
        requests={kind: ledger.requests for kind, ledger in cometly.ledgers.items()},
        most_in_a_minute={kind: led.most_in_a_minute for kind, led in cometly.ledgers.items()},
        spool=cometly.disk.most_used,
        spool_files=cometly.disk.most_files,
    )


def _extraction(cometly: Cometly, settings: Settings) -> Extractor:
    listing = ModelListing(cometly)
    timezone_check = TimezoneCheck(listing, settings.zone, _logger)
    pages = CursorPaginator(
        listing,
        OptionalColumns([], "The list"),
        zone=settings.zone,
        page_size=settings.page_size,
        inspect=timezone_check.inspect,
        logger=_logger,
    )
    columns = OptionalColumns([], "The export")
    clock = cometly.clock
    exports = ExportReader(
        clock, cometly, columns, pages, timezone_check, settings, clock, Progress(clock), _logger
    )
    return Extractor(
        settings,
        pages,
        exports,
        timezone_check,
        clock,
        ConnectionReport(listing, timezone_check, settings.zone, _logger),
        latest_end=clock.now,
        spare=cometly.limiters["list"].available_to_all,
        logger=_logger,
    )
