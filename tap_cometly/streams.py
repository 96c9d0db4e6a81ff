"""ContactsStream: one sync, from range to committed bookmark; and what a catalog may choose."""

from __future__ import annotations

import contextlib
import logging
import typing as t

from singer_sdk import Stream
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Metadata
from typing_extensions import override

from tap_cometly.contacts.schema import KEY, OPTIONS, REPLICATION_KEY, fields_asked, schema_for
from tap_cometly.exceptions import CatalogError, naming
from tap_cometly.messages.encoder import as_record
from tap_cometly.messages.writer import contact_writer
from tap_cometly.runtime.progress import PAGES, Progress, SyncReporter
from tap_cometly.state import Bookmark
from tap_cometly.timeranges import SyncRange, Window, utc_text

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk.helpers import types
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import Catalog, CatalogEntry

    from tap_cometly.extract.extractor import WindowBlocks
    from tap_cometly.tap import TapCometly


def complete(entry: CatalogEntry) -> None:
    """Put back what a catalog may leave out but the stream cannot do without.

    Args:
        entry: Of the stream, as the user passed it in; it is changed.

    Raises:
        CatalogError: It asks for what contacts do not have.
    """
    root = entry.metadata.root
    method = entry.replication_method or root.forced_replication_method
    wanted = (
        ("key", list(entry.key_properties or root.table_key_properties or [KEY]), [KEY]),
        (
            "replication key",
            entry.replication_key or root.replication_key or REPLICATION_KEY,
            REPLICATION_KEY,
        ),
    )
    for what, asked, only in wanted:
        if asked != only:
            msg = f"The catalog asks for the {what} {asked}, which contacts do not have"
            raise CatalogError(msg, f"Its only {what} is {only}; correct or leave out the catalog.")
    entry.key_properties = [KEY]
    entry.replication_key = REPLICATION_KEY
    if method not in (None, "INCREMENTAL", REPLICATION_FULL_TABLE):  # a set takes no list
        msg = f"The catalog asks for the replication method {method}"
        raise CatalogError(msg, "Set it to INCREMENTAL or FULL_TABLE.")
    for name in (KEY, REPLICATION_KEY):
        entry.metadata[("properties", name)].inclusion = Metadata.InclusionType.AUTOMATIC


def _describe(bookmark: Bookmark | None) -> str:
    instant = bookmark.instant if bookmark else None
    return f"Bookmark: {utc_text(instant)}" if instant else "No bookmark"


class ContactsStream(Stream):
    """The contacts of one Cometly Space."""

    name = "contacts"
    _tap: TapCometly

    def __init__(self, tap: TapCometly) -> None:
        """Take the fields that the settings ask for; they need not be complete for discovery."""
        self.fields = fields_asked(option for option in OPTIONS if tap.config.get(option))
        super().__init__(tap, schema=schema_for(self.fields))
        self.primary_keys = [KEY]
        self.replication_key = REPLICATION_KEY
        self._batches = self.get_batch_counter()

    @override
    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        bookmark = None if self._full_table else Bookmark(self.stream_state)
        writer = contact_writer(
            self,
            self.fields,
            self._tap.stdout_writer,
            version=self._stream_version,
            on_batch=self._batches.increment,
        )
        with (
            SyncReporter(
                self, self._tap.clock, self._tap.stop, lambda: _describe(bookmark)
            ) as reporter,
            self._reading(bookmark, reporter.progress) as windows,
        ):
            for window, blocks in windows:
                if reporter.progress._window is None:  # noqa: SLF001, until pages enter windows themselves
                    reporter.progress.enter(
                        str(window), window.seconds, way=PAGES, expected=window.expected
                    )
                for contacts in reporter.blocks(blocks):
                    writer.write(contacts)
                writer.finish()
                self._commit(window, bookmark)
                reporter.committed()
        self._activate(reporter.progress.contacts)
        yield from ()  # all messages have been written; the SDK wants a generator

    @contextlib.contextmanager
    def _reading(
        self, bookmark: Bookmark | None, progress: Progress
    ) -> Iterator[Iterator[WindowBlocks]]:
        """Open the reading of this run's range, window by window; of none, if it is empty."""
        sync_range = self._range(bookmark)
        asked = Window(sync_range.start, sync_range.end(self._tap.clock.now()))
        if asked.start >= asked.end:
            self.logger.info("Nothing to read: the range begins after its end, %s", asked)
            yield iter(())
            return
        from tap_cometly.extract.reading import open_reading  # noqa: PLC0415, `--discover` reads nothing

        progress.begin(asked.seconds)
        with open_reading(
            self._tap.settings, self.fields, sync_range, self._tap.clock, progress, self.logger
        ) as reading:
            sample = self.ABORT_AT_RECORD_COUNT
            windows = reading.sample(asked, sample) if sample else reading.windows(asked)
            yield ((window, naming(window, blocks)) for window, blocks in naming(asked, windows))

    def _range(self, bookmark: Bookmark | None) -> SyncRange:
        instant = bookmark.instant if bookmark else None
        sync_range = SyncRange(self._tap.settings, instant, full_table=self._full_table)
        if skipped := sync_range.skips:
            self.logger.warning("`start_date` is later than the bookmark: %s is skipped", skipped)
        delivered = bookmark.columns if bookmark else None
        if delivered is not None and (new := {f.name for f in self.fields} - delivered):
            self.logger.warning(
                "New columns (%s): only rows read from now on have them; --full-refresh reads "
                "all rows again",
                ", ".join(sorted(new)),
            )
        return sync_range

    def _commit(self, window: Window, bookmark: Bookmark | None) -> None:
        """Move the bookmark on: everything up to the window's end has been written."""
        if bookmark is not None:
            bookmark.commit(window.end, [field.name for field in self.fields])
            self._tap.state_writer.write_state(self.tap_state)

    def _activate(self, written: int) -> None:
        """Let the target drop what is no longer there, if this run has seen all there is."""
        if self._stream_version is None:
            return
        if self._tap.settings.end is not None or not written:
            why = "`end_date` is set" if written else "there are no contacts"
            self.logger.warning("No ACTIVATE_VERSION, for %s: no row is dropped", why)
            return
        super()._write_activate_version_message(self._stream_version)

    @override
    def get_records(self, context: types.Context | None) -> Iterable[types.Record]:
        """Read the same contacts as a sync does, as plain records.

        Args:
            context: Not used; there are no partitions.

        Yields:
            Each contact. Neither messages nor bookmarks are written.
        """
        bookmark = None if self._full_table else Bookmark(self.stream_state)
        with self._reading(bookmark, Progress(self._tap.clock)) as windows:
            for _, blocks in windows:
                for contacts in blocks:
                    yield from map(as_record, contacts)

    @property
    def _full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog; key and replication key are delivered whatever it selects.

        Args:
            catalog: As passed in.

        Raises:
            CatalogError: It names another key or replication key.
        """
        if entry := catalog.get_stream(self.name):
            complete(entry)
        super().apply_catalog(catalog)

    # What the SDK would do between the lines of the story.

    @override
    def _sync_batches(
        self, batch_config: BatchConfig, context: types.Context | None = None
    ) -> None:
        """Write BATCH messages the way RECORDs are written: only the writer differs."""
        with self._batches:
            for _ in self._sync_records(context):
                pass

    @override
    def _write_activate_version_message(self, full_table_version: int) -> None:
        """Not before the first record, as the SDK has it: targets delete when they receive it."""

    @override
    def _write_replication_key_signpost(self, context: t.Any, value: t.Any) -> None:
        """Add nothing to the bookmark: the range's end takes care of what is too new."""

    @override
    def _write_starting_replication_value(self, context: t.Any) -> None:
        """Add nothing to the bookmark: the range is found above."""

    @override
    def _write_state_message(self) -> None:
        """Write no STATE but after a commit."""

    @override
    def log(self, message: str, *args: t.Any, level: int = logging.INFO, **kwargs: t.Any) -> None:
        """Log a message, unless it is the SDK's own line about an error the tap reports itself."""
        if level < logging.ERROR:
            super().log(message, *args, level=level, **kwargs)
