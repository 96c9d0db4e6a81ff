"""What is asked of the API and the file store: create, poll, download; the list's newest."""

from __future__ import annotations

import typing as t

from tap_cometly.exports import ndjson

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_cometly.client.client import CometlyClient, ExportStatus
    from tap_cometly.contacts.decoder import ContactDecoder, Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.download import Downloader, SpoolFile
    from tap_cometly.timeranges import Window


class ExportRepository:
    """Asks the API and the file store. All but `contacts` is called in threads.

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

    def create(self, window: Window) -> int:
        """Create an export job; return its id."""
        return self._client.create_export(window, options=self._options)

    def poll(self, export_id: int) -> ExportStatus:
        """Ask how an export job is doing."""
        return self._client.get_export(export_id)

    def download(self, url: str) -> SpoolFile:
        """Download a file and verify it."""
        return self._downloader.fetch(url)

    def newest(self, window: Window, *, per_page: int) -> Page | None:
        """Ask the list for a window's newest contacts; None when it does not answer."""
        return self._newest(window, per_page=per_page)

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        """Decode a file, block by block; not in the background."""
        return ndjson.blocks(spool.file, self._decoder)
