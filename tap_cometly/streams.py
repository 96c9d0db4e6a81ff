"""ContactsStream: one sync, from range to committed bookmark."""

from __future__ import annotations

import contextlib
import logging
import typing as t
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from singer_sdk import Stream
from singer_sdk.exceptions import AbortedSyncPausedException
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_cometly.catalog import complete
from tap_cometly.config import Settings, naive_times
from tap_cometly.contacts.schema import KEY, OPTIONS, REPLICATION_KEY, fields_asked, schema_for
from tap_cometly.exceptions import SettingsError, naming
from tap_cometly.messages.encoder import as_record
from tap_cometly.messages.writer import contact_writer, is_tested_by_meltano
from tap_cometly.runtime.progress import Progress, SyncReporter
from tap_cometly.state import Bookmark
from tap_cometly.timeranges import Reached, SyncRange, Window

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import datetime

    from singer_sdk import Tap
    from singer_sdk.helpers import types
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.singerlib import Catalog

    from tap_cometly.client.client import Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.extract.extractor import Extractor, WindowRead
    from tap_cometly.messages.batch import BatchWriter
    from tap_cometly.messages.writer import RecordWriter, StdoutWriter
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.signals import StopSignal

logger = logging.getLogger(__name__)

# For Meltano's test, whose user waits and does not see the tap's log.
_TEST_CONTACTS = 100  # contacts; a stream map may let only some of them through
_TEST_TIMEOUT = 5.0  # seconds
_WITHOUT_CONTACTS = "Set an earlier `start_date`, or run the tap with --test, which needs none."


class ContactsStream(Stream):
    """The contacts of one Cometly Space.

    Args:
        tap: Whose configuration, catalog and state count.
        clock: The machine's.
        stop: Delays a stop signal while services are closed and while the terminal is drawn on.
        stdout: Where messages go.
    """

    name = "contacts"

    def __init__(self, tap: Tap, *, clock: Clock, stop: StopSignal, stdout: StdoutWriter) -> None:
        self.fields = fields_asked(option for option in OPTIONS if tap.config.get(option))
        super().__init__(tap, schema=schema_for(self.fields))
        self.primary_keys = [KEY]
        self.replication_key = REPLICATION_KEY
        self._clock = clock
        self._stop = stop
        self._stdout = stdout
        self._batches = self.get_batch_counter()
        self._limiters: dict[Endpoint, RateLimiter] | None = None  # of the Space, in this run

    @cached_property
    def _settings(self) -> Settings:
        """The settings, which need not be complete for discovery."""
        return Settings.of(self.config)

    @property
    def _full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    @override
    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, t.Any], t.Any, t.Any]:
        bookmark = self._bookmark()
        sync_range = self._range(bookmark)
        writer = contact_writer(
            self,
            self.fields,
            self._stdout,
            version=self._stream_version,
            on_batch=self._batches.increment,
        )
        # Meltano's test passes no state. A run by hand with output and log in one pipe may pass
        # one.
        is_first = bookmark is None or bookmark.instant is None
        is_sample = self.ABORT_AT_RECORD_COUNT is not None
        if is_tested := is_first and not is_sample and is_tested_by_meltano():
            self._write_early(sync_range, writer)
        with (
            SyncReporter(
                self, self._clock, self._stop, lambda: str(bookmark or "No bookmark")
            ) as reporter,
            self._extractor(sync_range, reporter.progress, self._settings) as extractor,
        ):
            for extract in self._extracts(extractor, sync_range, bookmark):
                window = extract.window
                reporter.progress.start_window(
                    str(window),
                    window.seconds,
                    way=extract.method,
                    expected=extract.expected,
                    remaining=extract.remaining,
                )
                for contacts in reporter.blocks(naming(window, extract.contacts)):
                    writer.write(contacts)
                writer.finish()
                self._commit(window.end, extractor, sync_range, bookmark)
                reporter.committed()
            self._activate(extractor, wrote_any=writer.wrote_any)
            if is_tested and not writer.wrote_any:
                msg = "There was no contact to write, and Meltano's test waits for one"
                raise SettingsError(msg, _WITHOUT_CONTACTS)
        yield from ()  # all messages have been written; the SDK wants a generator

    def _write_early(self, sync_range: SyncRange, writer: RecordWriter | BatchWriter) -> None:
        """Write a few contacts of the first page early: Meltano's test ends at the first one."""
        timeout = min(self._settings.request_timeout, _TEST_TIMEOUT)
        settings = replace(self._settings, request_timeout=timeout)
        with (
            contextlib.suppress(AbortedSyncPausedException),
            self._extractor(sync_range, Progress(self._clock), settings) as extractor,
        ):
            for extract in extractor.read_for_test(sync_range, _TEST_CONTACTS, quick=True):
                for contacts in extract.contacts:
                    writer.write(contacts)
        writer.finish()

    @contextlib.contextmanager
    def _extractor(
        self, sync_range: SyncRange, progress: Progress, settings: Settings
    ) -> Iterator[Extractor]:
        from tap_cometly.extract.extractor import Extractor  # noqa: PLC0415, not to discover
        from tap_cometly.extract.services import open_services  # noqa: PLC0415

        progress.begin(self._whole(sync_range).seconds)
        opened = contextlib.ExitStack()
        try:
            services = opened.enter_context(
                open_services(settings, self.fields, self._clock, progress, self._limiters)
            )
            self._limiters = services.client.limiters
            yield Extractor(settings, services, progress)
        finally:
            # A finalizer of a connection would swallow what a signal raises.
            with self._stop.hold():
                opened.close()

    def _extracts(
        self, extractor: Extractor, sync_range: SyncRange, bookmark: Bookmark | None
    ) -> Iterator[WindowRead]:
        """Return the windows to read; none where the range is empty."""
        whole = self._whole(sync_range)
        if whole.start >= whole.end:
            if bookmark is not None and bookmark.is_ahead_of(self._clock.now()):
                extractor.head.compare_clocks()
            logger.info("Nothing to read: the range is empty (%s)", whole)
            return
        sample = self.ABORT_AT_RECORD_COUNT
        if sample:
            # A sample that stops early commits nothing; tests of the SDK still want a STATE.
            if bookmark is not None:
                self._tap.state_writer.write_state(self.tap_state)
            yield from naming(whole, extractor.read_for_test(sync_range, sample))
        else:
            yield from naming(whole, extractor.extract(sync_range))

    def _bookmark(self) -> Bookmark | None:
        """Return the bookmark; None in a FULL_TABLE sync, which leaves it alone."""
        return None if self._full_table else Bookmark(self.stream_state)

    def _whole(self, sync_range: SyncRange) -> Window:
        """Return the range as far as it goes by the machine's clock."""
        return Window(sync_range.start, sync_range.end(self._clock.now()))

    def _range(self, bookmark: Bookmark | None) -> SyncRange:
        settings = self._settings
        sync_range = SyncRange.of(
            settings.start,
            bookmark.reached(settings.zone.key) if bookmark is not None else None,
            lookback=timedelta(days=settings.lookback_days),
            end_date=settings.end,
            settle=timedelta(seconds=0 if self._full_table else settings.settle_seconds),
        )
        self._log_naive_times()
        if bookmark is not None:
            bookmark.compare(settings.start.instant, settings.zone.key, self._delivered)
            if self.config.get("emit_activate_version_messages"):
                logger.warning(
                    "`emit_activate_version_messages` has no effect on an INCREMENTAL sync, "
                    "--full-refresh included: only FULL_TABLE lets a target drop rows"
                )
        return sync_range

    def _log_naive_times(self) -> None:
        """Log how date-times without a zone are read: YAML may have taken the zone away."""
        for understood, is_other_in_utc in naive_times(self.config, self._settings.zone):
            logger.info("%s", understood)
            if is_other_in_utc:
                logger.warning(
                    "%s has no zone and is read as the Space's wall time. If your YAML has one, "
                    "put the value in quotes: an unquoted date-time loses its zone",
                    understood.split(":", 1)[0],
                )

    @property
    def _delivered(self) -> list[str]:
        """The columns that are written, after stream maps; those of another name as `name.column`.

        What a target keeps in one table is not in another one, so a copy has columns of its own.
        """
        return [
            column if one.stream_alias == self.name else f"{one.stream_alias}.{column}"
            for one in self.stream_maps
            if not isinstance(one, RemoveRecordTransform)
            for column in one.transformed_schema["properties"]
        ]

    def _commit(
        self,
        end: datetime,
        extractor: Extractor,
        sync_range: SyncRange,
        bookmark: Bookmark | None,
    ) -> None:
        """Move the bookmark on: everything up to the window's end has been written.

        Where the time zone was not verified, it stays behind the wall time of every zone. A
        window before the bookmark leaves it as it is, its `timezone` included: under the present
        one, the rest up to the bookmark is still to be read.
        """
        if bookmark is None:
            return
        if bookmark.instant is None or end >= bookmark.instant:
            timezone_verified = extractor.head.timezone_verified
            if not timezone_verified:
                safe = sync_range.latest_commit_if_unverified(extractor.head.began)
                end = max(min(end, safe), sync_range.start_if_unverified)
            bookmark.commit(
                Reached(
                    end,
                    relies_on_clock=timezone_verified or not extractor.is_whole,
                    newest_id=extractor.head.newest_id if extractor.is_whole else None,
                ),
                columns=self._delivered,
                timezone=self._settings.zone.key,
                start=self._settings.start.instant,
            )
        self._tap.state_writer.write_state(self.tap_state)

    def _activate(self, extractor: Extractor, *, wrote_any: bool) -> None:
        """Let the target drop what is no longer there, if this run has seen all there is."""
        if self._stream_version is None or not self._full_table:
            return
        head = extractor.head.found
        if self._settings.end is not None:
            why = "`end_date` is set"
        elif not wrote_any:
            why = "no record was written"
        elif head is None or not (head.timezone_verified or head.can_read_ahead):
            why = "the newest contacts may be missing"
        else:
            super()._write_activate_version_message(self._stream_version)
            return
        logger.warning("No ACTIVATE_VERSION is sent, because %s: the target drops no rows", why)

    @override
    def get_records(self, context: types.Context | None) -> Iterable[types.Record]:
        """Read the same contacts as a sync does, as plain records.

        Args:
            context: Not used; there are no partitions.

        Yields:
            Each contact. Neither messages nor bookmarks are written.
        """
        sync_range = self._range(self._bookmark())
        progress = Progress(self._clock)
        with self._extractor(sync_range, progress, self._settings) as extractor:
            for extract in self._extracts(extractor, sync_range, bookmark=None):
                for contacts in extract.contacts:
                    yield from map(as_record, contacts)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply a catalog, checked and completed.

        Args:
            catalog: As passed in.

        Raises:
            CatalogError: The stream cannot follow it.
        """
        complete(catalog.get_stream(self.name), [field.name for field in self.fields])
        super().apply_catalog(catalog)

    # Methods of the SDK, overridden because `_sync_records` does their work.

    @property
    @override
    def partitions(self) -> None:
        """None: the SDK would take them from the bookmark, whoever wrote it."""

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
        """Write none before the first record, as the SDK does: targets then delete rows at once."""

    @override
    def _write_replication_key_signpost(self, context: t.Any, value: t.Any) -> None:
        """Add nothing to the bookmark: the range's end takes care of what is too new."""

    @override
    def _write_starting_replication_value(self, context: t.Any) -> None:
        """Add nothing to the bookmark: `_range` finds where reading begins."""

    @override
    def _write_state_message(self) -> None:
        """Write no STATE but after a commit."""

    @override
    def log(self, message: str, *args: t.Any, level: int = logging.INFO, **kwargs: t.Any) -> None:
        """Log a message, unless it is the SDK's own line about an error the tap reports itself."""
        if level < logging.ERROR:
            super().log(message, *args, level=level, **kwargs)
