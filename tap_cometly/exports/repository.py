"""What is asked of the API and the file store for export jobs: create, poll, download, sample."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import timedelta

from tap_cometly.exports import ndjson

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_cometly.client.client import CometlyClient, ExportStatus
    from tap_cometly.contacts.decoder import ContactDecoder, Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.download import Downloader, SpoolFile
    from tap_cometly.timeranges import Window

_SAMPLE = 100  # ids at each end of a window
_ENOUGH = 10  # ids to tell whether one end is missing
_WHOLE = 5000  # ids of a window that one page of the list has shown whole
_OLDEST_PARTS = 64, 8, 2  # of a window: so many times shorter is the stretch of its oldest contacts


class ExportRepository:
    """Asks the API and the file store. All but `contacts` run in threads.

    Args:
        client: Asks the API.
        downloader: Asks the file store.
        decoder: Makes contacts of the files' lines.
        advise: Asks the list for one page of a window that the run can go on without.
        options: The `include_*` parameters.
    """

    def __init__(
        self,
        client: CometlyClient,
        downloader: Downloader,
        decoder: ContactDecoder,
        advise: Callable[..., Page | None],
        *,
        options: Mapping[str, int],
    ) -> None:
        self.limiters = client.limiters
        self._client = client
        self._downloader = downloader
        self._decoder = decoder
        self._advise = advise
        self._options = options

    def create(self, window: Window) -> int:
        """Create an export job, and give its id."""
        return self._client.create_export(window, options=self._options)

    def poll(self, export_id: int) -> ExportStatus:
        """Ask how an export job is doing."""
        return self._client.get_export(export_id)

    def download(self, url: str) -> SpoolFile:
        """Download a file and verify it."""
        return self._downloader.fetch(url)

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        """Decode a file, block by block; not in the background."""
        return ndjson.blocks(spool.file, self._decoder)

    def sample(self, window: Window) -> frozenset[int] | None:
        """Ask the list for the newest ids of a window, and for some of its oldest.

        Returns:
            The ids, all of them where one page of the list has shown them before; None when the
            list does not answer. Empty only where the window is.
        """
        newest = self._advise(window, per_page=_SAMPLE if window.counted is None else _WHOLE)
        if newest is None:
            return None
        ids = frozenset(contact.id for contact in newest.contacts)
        if newest.next_cursor is None:
            return ids
        for part in _OLDEST_PARTS:
            seconds = max(1, window.seconds // part)
            stretch = replace(window, end=window.start + timedelta(seconds=seconds))
            oldest = self._advise(stretch, per_page=_SAMPLE)
            if oldest is None:
                break
            if len(oldest.contacts) >= _ENOUGH:
                return ids | {contact.id for contact in oldest.contacts}
        return ids
