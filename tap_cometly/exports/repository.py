"""What the works ask of the API and the store."""

from __future__ import annotations

import typing as t
from functools import partial

import msgspec

from tap_cometly.contacts.schema import REFUSED
from tap_cometly.exceptions import GarbledError, RejectedError
from tap_cometly.exports import ndjson
from tap_cometly.extract.pagination import LARGEST_PAGE, SURELY_SERVED
from tap_cometly.extract.probing import probe_of
from tap_cometly.timeranges import Probe, wall_range

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_cometly.client.client import CometlyClient, Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import ContactDecoder
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.download import Downloader, SpoolFile
    from tap_cometly.extract.pagination import Listing
    from tap_cometly.timeranges import WallRange, Window


class ExportStatus(t.NamedTuple):
    """What a poll tells: the status as the API words it, and the URL when there is one."""

    status: str
    url: str | None


class ExportApi(t.Protocol):
    """What the works ask for; each call waits, so it is made in the background."""

    @property
    def limiters(self) -> Mapping[Endpoint, RateLimiter]:
        """The requests that may be made."""

    def create(self, window: Window) -> int:
        """Create an export, and give its id."""

    def poll(self, export_id: int) -> ExportStatus:
        """Ask how an export is doing."""

    def fetch(self, url: str) -> SpoolFile:
        """Download a file and verify it."""

    def probe(self, window: Window) -> Probe:
        """Read the first page of a window."""

    def is_empty(self, window: Window) -> bool:
        """Ask the list whether a window holds no contact."""


class Source(ExportApi, t.Protocol):
    """The API, the store, and what is in the files."""

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        """Decode a file, block by block; not in the background."""


class _Created(msgspec.Struct):
    export_id: int


class _Status(msgspec.Struct):
    status: str
    download_url: str | None = None


def _reader(kind: type[msgspec.Struct]) -> Callable[[bytes], t.Any]:
    decoder = msgspec.json.Decoder(kind)

    def read(body: bytes) -> t.Any:
        try:
            return decoder.decode(body)
        except REFUSED:
            msg = "the answer about an export makes no sense"
            raise GarbledError(msg) from None

    return read


class ExportRepository:
    """What the works ask for, asked of the API and the store. Its methods run in threads."""

    def __init__(
        self,
        client: CometlyClient,
        listing: Listing,
        downloader: Downloader,
        decoder: ContactDecoder,
        settings: Settings,
        *,
        options: Mapping[str, int],
    ) -> None:
        """Prepare to export with these `include_*` parameters."""
        self.limiters = client.limiters
        self._client = client
        self._listing = listing
        self._downloader = downloader
        self._decoder = decoder
        self._zone = settings.zone
        self._options = options
        self._read_created = _reader(_Created)
        self._read_status = _reader(_Status)

    def create(self, window: Window) -> int:
        """Create an export, and give its id."""
        created: _Created = self._client.create_export(
            self._wall(window), self._read_created, options=self._options
        )
        return created.export_id

    def poll(self, export_id: int) -> ExportStatus:
        """Ask how an export is doing."""
        status: _Status = self._client.get_export(export_id, self._read_status)
        return ExportStatus(status.status, status.download_url or None)

    def fetch(self, url: str) -> SpoolFile:
        """Download a file and verify it."""
        return self._downloader.fetch(url)

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        """Decode a file, block by block."""
        return ndjson.blocks(spool.file, self._decoder)

    def probe(self, window: Window) -> Probe:
        """Read the first page of a window; a refused one holds more than can be told."""
        try:
            return self._listing.glance(
                self._wall(window),
                partial(probe_of, window),
                per_page=LARGEST_PAGE,
                slot_taken=True,
            )
        except RejectedError:
            return Probe.refused(window)

    def is_empty(self, window: Window) -> bool:
        """Ask the list whether a window holds no contact; in parts, if it refuses so long a one."""
        try:
            return not self._listing.ask(self._wall(window), per_page=1).glimpses
        except RejectedError:
            if window.seconds < SURELY_SERVED:
                raise
            return all(map(self.is_empty, window.halves()))

    def _wall(self, window: Window) -> WallRange:
        return wall_range(window.start, window.end, self._zone)
