"""Contacts to BATCH messages: files of JSON lines, wherever fsspec can write.

What targets take, each learned from one that took offence: no more than `batch_size` rows a file,
no blank line, no empty file, unique names, no name that would have to be percent-encoded, and never
a RECORD beside a BATCH in one stream.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import typing as t
import uuid
from urllib.parse import quote

from isal import igzip
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage

from tap_cometly.exceptions import OutputError, SettingsError
from tap_cometly.messages.writer import AT_ONCE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_cometly.contacts.schema import Contact
    from tap_cometly.messages.encoder import Encoder, Rows
    from tap_cometly.messages.writer import StdoutWriter

# At DEBUG they tell signed requests, session token included.
for _talkative in ("aiobotocore", "botocore", "s3fs"):
    logging.getLogger(_talkative).setLevel(logging.INFO)

_SMALL = 2**20  # bytes; zipped, 10,000 contacts have less, and so never see the disk
_EXTENSIONS = {None: ".jsonl", "none": ".jsonl", "gzip": ".jsonl.gz"}


def batch_config(raw: Mapping[str, t.Any] | None) -> BatchConfig | None:
    """Check the setting `batch_config`.

    Returns:
        It, typed; None when it is not set.

    Raises:
        SettingsError: It asks for something that cannot be written, or that targets cannot read.
    """
    if not raw:
        return None
    encoding, storage = raw.get("encoding") or {}, raw.get("storage") or {}
    if encoding.get("format") != "jsonl" or encoding.get("compression") not in _EXTENSIONS:
        msg = "The setting `batch_config.encoding` is not supported"
        raise SettingsError(msg, "Set its format to jsonl, its compression to gzip or none.")
    if not storage.get("root"):
        msg = "The setting `batch_config.storage.root` is missing"
        raise SettingsError(msg, "Set it to a directory or bucket, e.g. file:///var/spool/cometly.")
    if raw.get("batch_size") is not None and raw["batch_size"] < 1:
        msg = "The setting `batch_config.batch_size` must be at least 1"
        raise SettingsError(msg, "Leave it out for 10,000 rows a file, which suits most targets.")
    config = BatchConfig.from_dict({**raw, "encoding": encoding, "storage": storage})
    _check_root(config)
    return config


def _check_root(config: BatchConfig) -> None:
    try:
        url = config.storage.get_url((config.storage.prefix or "") + "x")
    except (ImportError, ValueError) as error:
        msg = f"The setting `batch_config.storage.root` cannot be used ({type(error).__name__})"
        raise SettingsError(msg, "For s3:// install the extra: tap-cometly[s3].") from None
    if quote(url, safe=":/") != url:
        msg = "The setting `batch_config.storage` has characters that a URL must encode"
        raise SettingsError(msg, "Use letters, digits, - and _: some targets do not decode names.")


class _File:
    """A file that is being filled, still private."""

    def __init__(self, config: BatchConfig) -> None:
        self._file = tempfile.SpooledTemporaryFile(_SMALL)  # noqa: SIM115, closed when stored
        self._zipped: t.Any = None
        if config.encoding.compression == "gzip":
            self._zipped = igzip.IGzipFile(fileobj=self._file, mode="wb", mtime=0)  # type: ignore[no-untyped-call]
        self.rows = 0

    def add(self, rows: Rows) -> None:
        (self._zipped or self._file).write(rows.lines)
        self.rows += rows.number

    def store(self, config: BatchConfig, name: str) -> None:
        if self._zipped is not None:
            self._zipped.close()
        self._file.seek(0)
        with self._file, config.storage.open(name, "wb") as stored:
            shutil.copyfileobj(self._file, stored, 2**20)


class BatchWriter:
    """Writes contacts as BATCH messages."""

    def __init__(
        self,
        config: BatchConfig,
        encoder: Encoder,
        out: StdoutWriter,
        *,
        version: int | None,
        on_batch: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            config: Where files go and how large they may be.
            encoder: Makes rows of contacts.
            out: Where the messages go.
            version: The table version, when one is active.
            on_batch: Called whenever a BATCH has been sent.
        """
        self._config = config
        self._encoder = encoder
        self._out = out
        self._version = version
        self._on_batch = on_batch
        self._files: dict[str, _File] = {}

    def write(self, contacts: Sequence[Contact]) -> None:
        """Add some contacts to the files; full ones are sent on."""
        while contacts:
            fullest = max((file.rows for file in self._files.values()), default=0)
            room = min(self._config.batch_size - fullest, AT_ONCE)
            for rows in self._encoder.rows(contacts[:room]):
                self._add(rows)
            contacts = contacts[room:]

    def finish(self) -> None:
        """Send on what has been begun."""
        for stream in list(self._files):
            self._send(stream)

    def _add(self, rows: Rows) -> None:
        try:
            if rows.stream not in self._files:
                self._files[rows.stream] = _File(self._config)
            file = self._files[rows.stream]
            file.add(rows)
        except OSError as error:
            raise _unwritable(error) from None
        if file.rows >= self._config.batch_size:
            self._send(rows.stream)

    def _send(self, stream: str) -> None:
        encoding, storage = self._config.encoding, self._config.storage
        extension = _EXTENSIONS[encoding.compression]
        name = f"{storage.prefix or ''}tap-cometly--{stream}-{uuid.uuid4()}{extension}"
        try:
            self._files.pop(stream).store(self._config, name)
        except Exception as error:  # noqa: BLE001, each store has errors of its own
            raise _unwritable(error) from None
        manifest = [storage.get_url(name)]
        self._out.write_message(
            SDKBatchMessage(
                stream=stream, encoding=encoding, manifest=manifest, version=self._version
            )
        )
        self._on_batch()


def _unwritable(error: Exception) -> OutputError:
    why = getattr(error, "strerror", None) or type(error).__name__
    msg = f"A BATCH file cannot be written ({why})"
    advice = "Check `batch_config.storage`, the rights and the free space there, and TMPDIR."
    return OutputError(msg, advice)
