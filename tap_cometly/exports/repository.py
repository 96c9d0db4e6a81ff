"""What is asked of the API and the file store for export jobs: create, poll, download, sample."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import timedelta

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.exports import ndjson

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_cometly.client.client import CometlyClient, ExportStatus
    from tap_cometly.contacts.decoder import ContactDecoder, Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.download import Downloader, SpoolFile
    from tap_cometly.timeranges import Window

_SAMPLE = 100  # ids at each end of a window
_ENOUGH = 10  # ids to tell whether one end is missing
_OLDEST_PARTS = 1 / 64, 1 / 8, 1 / 2  # of a window: where its oldest contacts are looked for
_MIDDLE = (1 / 2,)  # of a window: where contacts between its ends are looked for
_EVERYWHERE = 1 / 5, 2 / 5, 3 / 5, 4 / 5  # likewise, in a file that seems to lack many


class ExportRepository:
    """Asks the API and the file store. All but `contacts` run in threads.

    Args:
        client: Asks the API.
        downloader: Asks the file store.
        decoder: Makes contacts of the files' lines.
        newest: Asks the list for a window's newest contacts, which the run can go on without.
        options: The `include_*` parameters.
    """

    def __init__(
        self,
        client: CometlyClient,
        downloader: Downloader,
        decoder: ContactDecoder,
        newest: Callable[..., Page | None],
        *,
        options: Mapping[str, int],
    ) -> None:
        self.limiters = client.limiters
        self._client = client
        self._downloader = downloader
        self._decoder = decoder
        self._newest = newest
        self._options = options
        self._first_pages: dict[Window, Page] = {}

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

    def remember(self, window: Window, first: Page) -> None:
        """Note the first page of a window: its sample need not ask for the newest ids again."""
        self._first_pages[window] = first

    def sample(self, window: Window) -> frozenset[int] | None:
        """Ask the list for ids of a window: the newest, some of the oldest, some in the middle.

        Returns:
            The ids, all of them where one page of the list has shown them before; None when the
            list does not answer. Empty only where the window is.
        """
        newest = self._first_pages.pop(window, None) or self._newest(
            window, per_page=_SAMPLE if window.counted is None else LARGEST_PAGE
        )
        return self._ids(window, newest, _MIDDLE)

    def sample_again(self, window: Window, *, everywhere: bool) -> frozenset[int] | None:
        """Ask the list for all ids that a sample may have shown, as far as they are still there.

        Args:
            window: What the export covers.
            everywhere: Whether to ask in more places, for the file seems to lack many.
        """
        newest = self._newest(window, per_page=LARGEST_PAGE)
        return self._ids(window, newest, _EVERYWHERE if everywhere else _MIDDLE)

    def _ids(
        self, window: Window, newest: Page | None, places: Sequence[float]
    ) -> frozenset[int] | None:
        if newest is None:
            return None
        ids = {contact.id for contact in newest.contacts}
        if newest.next_cursor is None:
            return frozenset(ids)
        for part in _OLDEST_PARTS:
            oldest = self._newest_before(window, part)
            ids |= oldest or set()
            if oldest is None or len(oldest) >= _ENOUGH:
                break
        for part in places if oldest is not None else ():
            ids |= self._newest_before(window, part) or set()
        return frozenset(ids) or None  # a list that serves short stretches only may have shown none

    def _newest_before(self, window: Window, part: float) -> set[int] | None:
        """Ask for the newest ids in the first part of a window; None where the list is silent."""
        seconds = max(1, int(window.seconds * part))
        stretch = replace(window, end=window.start + timedelta(seconds=seconds))
        page = self._newest(stretch, per_page=_SAMPLE)
        return None if page is None else {contact.id for contact in page.contacts}
