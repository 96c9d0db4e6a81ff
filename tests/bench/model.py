"""Cometly as a model: calls take the time that its documentation tells, and are counted."""

from __future__ import annotations

import io
from collections import deque
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from typing_extensions import override

from tap_cometly.client.client import (
    DOCUMENTED_LIMITS,
    LARGEST_PAGE,
    CometlyClient,
    ExportStatus,
)
from tap_cometly.client.rate_limit import MINUTE
from tap_cometly.client.retry import acquire
from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact
from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.repository import ExportRepository
from tap_cometly.extract.windows import IDS_REMEMBERED
from tap_cometly.timeranges import WallRange, wall_range
from tests.bench.spaces import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_cometly.client.client import Endpoint
    from tap_cometly.config import Settings
    from tap_cometly.timeranges import Window
    from tests.bench.spaces import Space
    from tests.bench.virtual import VirtualTime

_T = TypeVar("_T")

TAKES: dict[Endpoint, float] = {"list": 1.5, "create": 0.5, "poll": 0.3}  # seconds
JOB, CONTACTS_A_SECOND = 5.0, 20_000  # seconds of a job that do not depend on its size, and do
CONTACT, BYTES_A_SECOND = 40, 20_000_000  # bytes in the file; of a download
WRITTEN_A_SECOND = 750_000  # contacts: how fast the tap decodes and writes them (measured)

_BLOCK = 12_500  # contacts taken out of a file at once
_ADVICE_SECONDS = 20.0  # that a call waits for the limit whose answer only advises


def job_time(contacts: int) -> float:
    """Seconds that an export job takes."""
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


class Job(NamedTuple):
    """An export: the ids of its contacts, when it is completed, and when a poll told so."""

    ids: range
    done_at: float
    noticed: list[float]


class _File(io.BytesIO):
    """A file of which only the size is known."""

    def __init__(self, disk: Disk, job: Job) -> None:
        super().__init__()
        self.job, self.size = job, len(job.ids) * CONTACT
        self._disk = disk
        disk.take(self.size)

    @override
    def close(self) -> None:
        if not self.closed:
            self._disk.take(-self.size)
        super().close()


class ModelClient(CometlyClient):
    """The API of a Space whose ids are all its own; limits and zone are the tap's own affair.

    Args:
        space: What there is.
        settings: Of the tap. Its zone is the Space's, too.
        clock: Passes while a call is made.

    Attributes:
        looked_at: Ids that files are compared with: a file must hold those of its window.
    """

    def __init__(self, space: Space, settings: Settings, clock: VirtualTime) -> None:
        super().__init__(settings, clock)
        self.space = space
        self.clock = clock
        self.ledgers = {endpoint: Ledger(limit) for endpoint, limit in DOCUMENTED_LIMITS.items()}
        self.jobs: list[Job] = []
        self.looked_at: set[int] = set()
        self._zone = settings.zone

    @override
    def list_contacts(
        self,
        window: Window | WallRange,
        decode: Callable[[bytes], _T],
        query: Mapping[str, int | str],
        *,
        optional: bool = False,
    ) -> _T:
        limits = {"at_most": _ADVICE_SECONDS} if optional else {}
        acquire(self.limiters["list"], self.clock, endpoint="list", **limits)
        with self._request("list"):
            page = self._page(self._ids(window), int(query["per_page"]), query.get("cursor"))
            return cast("_T", page)  # what `decode` would make of an answer

    @override
    def create_export(self, window: Window, *, options: Mapping[str, int]) -> int:
        ids = self._ids(window)
        with self._request("create"):
            self.jobs.append(Job(ids, self.clock.monotonic() + job_time(len(ids)), []))
        return len(self.jobs) - 1

    @override
    def get_export(self, export_id: int) -> ExportStatus:
        job = self.jobs[export_id]
        with self._request("poll"):
            if self.clock.monotonic() < job.done_at:
                return ExportStatus("processing", None)
        job.noticed.append(self.clock.monotonic())
        return ExportStatus("completed", str(export_id))

    @contextmanager
    def _request(self, endpoint: Endpoint) -> Iterator[None]:
        """Take the time that a request takes, and count it."""
        ledger = self.ledgers[endpoint]
        ledger.sent(self.clock.monotonic())
        self.clock.sleep(TAKES[endpoint])
        yield
        self.limiters[endpoint].release(ledger.answered(self.clock.monotonic()))

    def _ids(self, window: Window | WallRange) -> range:
        """The ids of a range, as an API has it that leaves the end's second out."""
        asked = window if isinstance(window, WallRange) else self._wall_range(window)
        first, last = (self._second(text) for text in (asked.start, asked.end))
        before, until = self.space.before(first), self.space.before(last)
        return range(self.space.first_id + before, self.space.first_id + until)

    def _wall_range(self, window: Window) -> WallRange:
        return wall_range(window.start, window.end, self._zone)

    def _second(self, wall_time: str) -> int:
        """Of the Space's history; of a wall time that occurs twice, the first."""
        instant = datetime.fromisoformat(wall_time).replace(tzinfo=self._zone)
        return int(instant.timestamp() - EPOCH.timestamp())

    def _page(self, ids: range, per_page: int, cursor: Any) -> Page:
        """Newest id first; the cursor tells how many have been served."""
        rest = ids[::-1][int(cursor or 0) :]
        served = rest[:per_page]
        # Before any job, a whole page may be the first one, which the check takes its ids from.
        is_whole = per_page < LARGEST_PAGE or not self.jobs
        self.looked_at.update(served if is_whole else served[:IDS_REMEMBERED])
        more = len(rest) > len(served)
        cursor = str(len(ids) - len(rest) + len(served)) if more else None
        return Page(list(map(Contact, served)), cursor)


class ModelRepository(ExportRepository):
    """Export jobs whose files take time and space, but are made up when they are read.

    To be quick, a file tells the ids of those contacts only that pages have shown.

    Args:
        client: The model.
        newest: Asks the list for the newest contacts of a window.
    """

    def __init__(self, client: ModelClient, newest: Callable[..., Page | None]) -> None:
        nobody = cast("Any", None)  # downloads and decodes: neither is done
        super().__init__(client, nobody, nobody, newest, options={})
        self.disk = Disk()
        self._model = client

    @override
    def download(self, url: str) -> SpoolFile:
        file = _File(self.disk, self._model.jobs[int(url)])
        self._model.clock.sleep(file.size / BYTES_A_SECOND)
        return SpoolFile(file, len(file.job.ids), file.size)

    @override
    def newest(self, window: Window, *, per_page: int) -> Page | None:
        page = super().newest(window, per_page=per_page)
        self._model.looked_at.update(contact.id for contact in (page.contacts if page else ()))
        return page

    @override
    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        assert isinstance(spool.file, _File)
        ids = spool.file.job.ids
        known = sorted(each for each in self._model.looked_at if each in ids)
        for begin in range(0, len(ids), _BLOCK):
            size = min(_BLOCK, len(ids) - begin)
            self._model.clock.sleep(size / WRITTEN_A_SECOND)
            yield _Block(map(Contact, known[begin : begin + size]), size)


class _Block(list[Contact]):
    """The contacts of a block whose ids matter; its length is that of the whole block."""

    def __init__(self, contacts: Iterable[Contact], length: int) -> None:
        super().__init__(contacts)
        self._length = length

    @override
    def __len__(self) -> int:
        return self._length
