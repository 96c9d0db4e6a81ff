"""ContactsStream: the story of a sync."""

from __future__ import annotations

import logging
import typing as t

from singer_sdk import Stream
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Metadata
from typing_extensions import override

from tap_cometly.batch import BatchWriter, batch_config
from tap_cometly.bookmark import Bookmark
from tap_cometly.errors import CatalogError, TapError
from tap_cometly.lanes import BlockLane, Lane, RecordLane, as_record
from tap_cometly.reading import open_reading
from tap_cometly.record import KEY, OPTIONS, REPLICATION_KEY, fields_asked, schema_for
from tap_cometly.space_time import utc_text
from tap_cometly.sync_range import SyncRange
from tap_cometly.windows import Window
from tap_cometly.writer import RecordWriter

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk.helpers import types
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import Catalog, CatalogEntry

    from tap_cometly.tap import TapCometly


_T = t.TypeVar("_T")


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

    @override
    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        bookmark = None if self._full_table else Bookmark(self.stream_state)
        sync_range = self._range(bookmark)
        asked = Window(sync_range.start, sync_range.end(self._tap.clock.now()))
        if asked.start >= asked.end:
            self.logger.info("Nothing to read: the range begins after its end, %s", asked)
            return
        writer = self._writer()
        written = 0
        with (
            self.get_sync_timer(),
            self.get_record_counter() as counter,
            open_reading(
                self._tap.settings, self.fields, sync_range, self._tap.clock, self.logger
            ) as reading,
        ):
            sample = self.ABORT_AT_RECORD_COUNT
            windows = reading.sample(asked, sample) if sample else reading.windows(asked)
            for window, blocks in _naming(asked, windows):
                for contacts in _naming(window, blocks):
                    writer.write(contacts)
                    counter.increment(len(contacts))
                    written += len(contacts)
                writer.finish()
                self._commit(window, bookmark)
            self.logger.info("Done: %d contacts. %s. %s", written, reading.took(), _where(bookmark))
        self._activate(written)
        yield from ()  # all messages have been written; the SDK wants a generator

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
            self.logger.info("Bookmark: %s", self.stream_state["replication_key_value"])

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
        sync_range = self._range(None if self._full_table else Bookmark(self.stream_state))
        asked = Window(sync_range.start, sync_range.end(self._tap.clock.now()))
        with open_reading(
            self._tap.settings, self.fields, sync_range, self._tap.clock, self.logger
        ) as reading:
            for _, blocks in reading.windows(asked):
                for contacts in blocks:
                    yield from map(as_record, contacts)

    @property
    def _full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    def _writer(self) -> RecordWriter | BatchWriter:
        lane, out = self._lane(), self._tap.line_writer
        config = batch_config(self.config.get("batch_config"))
        if config is None or self.ABORT_AT_RECORD_COUNT is not None:
            return RecordWriter(lane, out)
        return BatchWriter(config, lane, out, version=self._stream_version)

    def _lane(self) -> Lane:
        """Choose the fast lane unless something has to look at each record."""
        [*maps] = self.stream_maps
        as_it_is = (
            len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
            and maps[0].stream_alias == self.name
        )
        columns = self.effective_schema["properties"]
        left_out = [
            field.name
            for field in self.fields
            if field.name not in columns or not self.mask[("properties", field.name)]
        ]
        if as_it_is and not left_out and columns == self.schema["properties"]:
            return BlockLane(self.name, self._stream_version)
        return RecordLane(maps, left_out, self._stream_version)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog; key and replication key are delivered whatever it selects.

        Args:
            catalog: As passed in.

        Raises:
            CatalogError: It names another key or replication key.
        """
        if entry := catalog.get_stream(self.name):
            _complete(entry)
        super().apply_catalog(catalog)

    # What the SDK would do between the lines of the story.

    @override
    def _sync_batches(
        self, batch_config: BatchConfig, context: types.Context | None = None
    ) -> None:
        """Write BATCH messages the way RECORDs are written: only the writer differs."""
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


def _where(bookmark: Bookmark | None) -> str:
    instant = bookmark.instant if bookmark else None
    return f"Bookmark: {utc_text(instant)}" if instant else "No bookmark"


def _naming(window: Window, things: Iterable[_T]) -> Iterator[_T]:
    """Name the window in whatever goes wrong with it."""
    try:
        yield from things
    except TapError as error:
        raise error.within(window) from None


def _complete(entry: CatalogEntry) -> None:
    """Put back what a catalog may leave out but the stream cannot do without."""
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
    if method not in {None, "INCREMENTAL", REPLICATION_FULL_TABLE}:
        msg = f"The catalog asks for the replication method {method}"
        raise CatalogError(msg, "Set it to INCREMENTAL or FULL_TABLE.")
    for name in (KEY, REPLICATION_KEY):
        entry.metadata[("properties", name)].inclusion = Metadata.InclusionType.AUTOMATIC
