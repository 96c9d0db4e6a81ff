"""Cometly as a model: it takes the time that issue and documentation tell, and counts."""

from __future__ import annotations

import io
from collections import deque
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tap_cometly.contacts.page import Page
from typing_extensions import override

from tap_cometly.client.client import DOCUMENTED_LIMITS
from tap_cometly.client.rate_limit import MINUTE, RateLimiter
from tap_cometly.client.retry import wait_for
from tap_cometly.contacts.schema import Contact
from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.repository import ExportStatus
from tap_cometly.extract.pagination import Listing
from tap_cometly.timeranges import Window
from tests.bench.sizing import EPOCH, answer, contacts_in

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_cometly.client.client import Endpoint
    from tap_cometly.timeranges import Probe, WallRange
    from tests.bench.spaces import Space
    from tests.bench.virtual import VirtualTime

_T = TypeVar("_T")

TAKES: dict[Endpoint, float] = {"list": 1.5, "create": 0.5, "poll": 0.3}  # seconds
JOB, CONTACTS_A_SECOND = 5.0, 20_000  # seconds of a job that do not depend on its size, and do
CONTACT, BYTES_A_SECOND = 40, 20_000_000  # bytes in the file; of a download
WRITTEN_A_SECOND = 750_000  # contacts: how fast the tap decodes and writes them (measured)

_BLOCK = 12_500  # contacts taken out of a file at once
_DATED = 100  # one contact of so many has a date: finding it takes time


def job_time(contacts: float) -> float:
    return JOB + contacts / CONTACTS_A_SECOND


class Ledger:
    """An endpoint's requests, counted at any moment between their sending and their answer."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.most_in_a_minute = 0
        self.requests = 0
        self._in_flight = 0
        self._answered: deque[float] = deque()

    def sent(self, now: float) -> None:
        while self._answered and self._answered[0] + MINUTE <= now:
            self._answered.popleft()
        self._in_flight += 1
        self.requests += 1
        self.most_in_a_minute = max(self.most_in_a_minute, self._in_minute)

    def answered(self, now: float) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self._in_minute)),
        }
        self._in_flight -= 1
        self._answered.append(now)
        return headers

    @property
    def _in_minute(self) -> int:
        return self._in_flight + len(self._answered)


class Disk:
    """The space that spool files take."""

    def __init__(self) -> None:
        self.used = self.most_used = self.files = self.most_files = 0

    def take(self, size: int) -> None:
        self.used += size
        self.files += size > 0
        self.files -= size < 0
        self.most_used = max(self.most_used, self.used)
        self.most_files = max(self.most_files, self.files)


class _File(io.BytesIO):
    """A file of which only the size is known."""

    def __init__(self, disk: Disk, window: Window, contacts: int) -> None:
        super().__init__()
        self.window, self.contacts = window, contacts
        self._disk, self._size = disk, contacts * CONTACT
        disk.take(self._size)

    @override
    def close(self) -> None:
        if not self.closed:
            self._disk.take(-self._size)
        super().close()


class _Job(NamedTuple):
    window: Window
    contacts: int
    done_at: float


class Cometly:
    """A Space behind the API; what `export_calls.Source` asks for."""

    def __init__(self, space: Space, clock: VirtualTime, logger: logging.Logger) -> None:
        self.space = space
        self.clock = clock
        self.logger = logger
        self.limiters = {
            endpoint: RateLimiter(limit, share=1.0, clock=clock)
            for endpoint, limit in DOCUMENTED_LIMITS.items()
        }
        self.ledgers = {endpoint: Ledger(limit) for endpoint, limit in DOCUMENTED_LIMITS.items()}
        self.disk = Disk()
        self.jobs: list[_Job] = []
        self._repeated = [Contact(id=0)] * _BLOCK

    @contextmanager
    def request(self, endpoint: Endpoint) -> Iterator[None]:
        """Take the time a request takes; its budget's slot has been taken."""
        ledger = self.ledgers[endpoint]
        ledger.sent(self.clock.monotonic())
        self.clock.sleep(TAKES[endpoint])
        yield
        self.limiters[endpoint].answered(ledger.answered(self.clock.monotonic()))

    def create(self, window: Window) -> int:
        with self.request("create"):
            contacts = contacts_in(self.space, window)
            done_at = self.clock.monotonic() + job_time(contacts)
            self.jobs.append(_Job(window, contacts, done_at))
            return len(self.jobs) - 1

    def poll(self, export_id: int) -> ExportStatus:
        with self.request("poll"):
            if self.clock.monotonic() < self.jobs[export_id].done_at:
                return ExportStatus("processing", None)
            return ExportStatus("completed", str(export_id))

    def fetch(self, url: str) -> SpoolFile:
        job = self.jobs[int(url)]
        file = _File(self.disk, job.window, job.contacts)
        self.clock.sleep(job.contacts * CONTACT / BYTES_A_SECOND)
        return SpoolFile(file, job.contacts, job.contacts * CONTACT)

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        """As many contacts as are in the file, of which only the newest are worth a look."""
        file = spool.file
        assert isinstance(file, _File)
        shown = self.newest(file.window, 0, 3)
        yield shown
        left = file.contacts - len(shown)
        while left:
            block = self._repeated if left >= _BLOCK else self._repeated[:left]
            self.clock.sleep(len(block) / WRITTEN_A_SECOND)
            yield block
            left -= len(block)

    def probe(self, window: Window) -> Probe:
        with self.request("list"):
            return answer(self.space, window)

    def is_empty(self, window: Window) -> bool:
        wait_for(self.limiters["list"], self.clock, self.logger)
        return self.probe(window).count == 0

    def newest(self, window: Window, skip: int, size: int) -> list[Contact]:
        """The contacts of a window in the list's order; some of them have a date."""
        first = (window.start - EPOCH) // timedelta(seconds=1)
        before = self.space.count(0, first - 1) if first > 0 else 0
        newest = before + contacts_in(self.space, window) - 1 - skip
        ranks = range(newest, max(newest - size, before - 1), -1)
        return [
            Contact(id=self.space.first_id + rank, created_at=self._created(rank, place))
            for place, rank in enumerate(ranks)
        ]

    def _created(self, rank: int, place: int) -> datetime | None:
        if place % _DATED:
            return None
        low, high = 0, self.space.seconds
        while low < high:
            middle = (low + high) // 2
            if self.space.count(0, middle) > rank:
                high = middle
            else:
                low = middle + 1
        return EPOCH + timedelta(seconds=low)


class ModelListing(Listing):
    """The list of a model's contacts; for Spaces whose ids are all its own."""

    def __init__(self, cometly: Cometly) -> None:
        self._cometly = cometly

    @override
    def glance(
        self,
        wall: WallRange,
        keep: Callable[[Page], _T],
        *,
        per_page: int,
        cursor: str | None = None,
        slot_taken: bool = False,
    ) -> _T:
        cometly = self._cometly
        if not slot_taken:
            wait_for(cometly.limiters["list"], cometly.clock, cometly.logger)
        with cometly.request("list"):
            skip = int(cursor or 0)
            window = Window(wall.earliest, wall.latest)
            contacts = cometly.newest(window, skip, per_page)
            more = contacts_in(cometly.space, window) > skip + len(contacts)
            cursor = str(skip + len(contacts)) if more else None
            return keep(Page(cursor, blocks=lambda: iter([contacts]), glimpse=lambda: contacts))
