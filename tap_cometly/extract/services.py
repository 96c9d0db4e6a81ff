"""What reading a range takes, put together for one sync."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from tap_cometly.client.client import CometlyClient, user_agent
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import FIELDS, OPTIONS, OptionalColumns, fields_asked
from tap_cometly.exports.download import Downloader
from tap_cometly.exports.repository import ExportRepository
from tap_cometly.extract.pagination import ContactList, CursorPaginator, ServedLength
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.tasks import ThreadTasks

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cometly.client.client import Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.config import Settings
    from tap_cometly.contacts.schema import Field
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.progress import Progress
    from tap_cometly.runtime.tasks import TaskRunner


@dataclass(frozen=True)
class Services:
    """What reading a range takes.

    Attributes:
        client: The API.
        contacts: The list, asked for no optional columns.
        every_column: The list, asked for all columns there are.
        paginator: Reads by pages.
        timezone_check: Checks the setting before anything is written, and every page and file.
        repository: Export jobs.
        export_columns: Sees to it that exports deliver the columns that were asked for.
        tasks: Makes calls in the background.
        clock: Of this sync.
    """

    client: CometlyClient
    contacts: ContactList
    every_column: ContactList
    paginator: CursorPaginator
    timezone_check: TimezoneCheck
    repository: ExportRepository
    export_columns: OptionalColumns
    tasks: TaskRunner
    clock: Clock


@contextlib.contextmanager
def open_services(
    settings: Settings,
    fields: Sequence[Field],
    clock: Clock,
    progress: Progress,
    limiters: dict[Endpoint, RateLimiter] | None = None,
) -> Iterator[Services]:
    """Put together what reading takes, for one sync, and clear up after it.

    Args:
        settings: Of this run.
        fields: Of a contact.
        clock: The machine's.
        progress: Where it is noted how many requests are made.
        limiters: Of an earlier client in this run; None where there was none.
    """
    clock = clock.fresh()
    client = CometlyClient(settings, clock, limiters)
    progress.requests = client.request_stats
    downloader = Downloader(clock, timeouts=settings.timeouts, user_agent=user_agent())
    repairs = RepairLog()
    decoder = ContactDecoder(fields, repairs)
    options = {field.option: 1 for field in fields if field.option}
    silent = RepairLog(silent=True)  # these pages are not delivered
    length = ServedLength()
    plain = ContactList(client, ContactDecoder(fields_asked(()), silent), {}, length)
    every = ContactList(client, ContactDecoder(FIELDS, silent), dict.fromkeys(OPTIONS, 1), length)
    timezone_check = TimezoneCheck(plain, settings.zone, client.latest_now)
    paginator = CursorPaginator(
        ContactList(client, decoder, options, length),
        OptionalColumns(fields, "The list"),
        page_size=settings.page_size,
        inspect=timezone_check.inspect,
    )
    tasks = ThreadTasks(clock)
    try:
        yield Services(
            client=client,
            contacts=plain,
            every_column=every,
            paginator=paginator,
            timezone_check=timezone_check,
            repository=ExportRepository(client, downloader, decoder, plain.newest, options=options),
            export_columns=OptionalColumns(fields, "The export"),
            tasks=tasks,
            clock=clock,
        )
    finally:
        tasks.close()
        client.close()
        downloader.close()
        repairs.summarize()
