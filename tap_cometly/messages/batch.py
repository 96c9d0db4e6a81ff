"""Contacts to BATCH messages: files of JSON lines, wherever fsspec can write.

Each rule here was learned from a target that failed without it: no more than `batch_size` rows a
file, no blank line, no empty file, unique names, no name that would have to be percent-encoded, and
never a RECORD beside a BATCH in one stream.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import logging
import os
import shutil
import tempfile
import typing as t
import uuid
from urllib.parse import quote

from isal import isal_zlib
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage

from tap_cometly.exceptions import OutputError, SettingsError, TapError, machine_error
from tap_cometly.messages.encoder import AT_ONCE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.helpers._batch import StorageTarget
    from singer_sdk.singerlib.encoding.simple import Message

    from tap_cometly.contacts.schema import Contact
    from tap_cometly.messages.encoder import Encoder, Rows

# At DEBUG these libraries log signed requests, session token included.
for _loud in ("aiobotocore", "botocore", "s3fs"):
    logging.getLogger(_loud).setLevel(logging.INFO)

_GZIP = 31  # zlib's `wbits` for a gzip frame
_SMALL = 2**20  # bytes; zipped, 10,000 contacts have less, and so never see the disk
_FILE_SYSTEMS = {  # by protocol: the package, and what of this one installs it
    "s3": ("s3fs", "tap-cometly[s3]"),
    "s3a": ("s3fs", "tap-cometly[s3]"),
    "gs": ("gcsfs", "tap-cometly[gcs]"),
    "gcs": ("gcsfs", "tap-cometly[gcs]"),
}
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
    protocol = config.storage.root.partition("://")[0].lower()
    package, extra = _FILE_SYSTEMS.get(protocol, (None, None))
    if package and importlib.util.find_spec(package) is None:
        msg = f"The setting `batch_config.storage.root` names a {protocol}:// bucket, but nothing "
        msg += "that writes there is installed"
        raise SettingsError(msg, f"Install the extra: {extra}.")
    try:
        url = config.storage.get_url((config.storage.prefix or "") + "x")
    except Exception as error:  # noqa: BLE001, each file system has errors of its own
        msg = f"The setting `batch_config.storage.root` cannot be used ({type(error).__name__})"
        advice = "Write it like file:///var/spool/cometly, s3://bucket/path or gs://bucket/path."
        raise SettingsError(msg, advice) from None
    if quote(url, safe=":/") != url:
        msg = "The setting `batch_config.storage` has characters that a URL must encode"
        raise SettingsError(msg, "Use letters, digits, - and _: some targets do not decode names.")


class _File:
    """A file that is being filled, still a private temporary one.

    Args:
        compression: `gzip`, or none.
    """

    def __init__(self, compression: str | None) -> None:
        self._file = tempfile.SpooledTemporaryFile(_SMALL)  # noqa: SIM115, closed when stored
        # No file object for zipping: its finalizer would complain of what could not be written.
        self._zip: t.Any = None
        if compression == "gzip":
            self._zip = isal_zlib.compressobj(isal_zlib.ISAL_DEFAULT_COMPRESSION, wbits=_GZIP)
        self.rows = 0

    def add(self, rows: Rows) -> None:
        self._file.write(rows.lines if self._zip is None else self._zip.compress(rows.lines))
        self.rows += rows.number

    def store(self, storage: StorageTarget, name: str) -> None:
        if self._zip is not None:
            self._file.write(self._zip.flush())
        self._file.seek(0)
        with _private(), storage.open(name, "wb") as stored:
            shutil.copyfileobj(self._file, stored, 2**20)
        self._file.close()

    def discard(self) -> None:
        """Close what failed; what is still buffered may fail again, which says nothing new."""
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """Let new files be readable by this user only: they hold contacts."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


class BatchWriter:
    """Writes contacts as BATCH messages.

    Args:
        config: Where files go and how large they may be.
        encoder: Makes rows of contacts.
        send: Writes a message.
        version: The table version, when one is active.
        on_batch: Called whenever a BATCH has been sent.

    Attributes:
        wrote_any: Whether a record has been written; a stream map may let none through.
    """

    def __init__(
        self,
        config: BatchConfig,
        encoder: Encoder,
        send: Callable[[Message], None],
        *,
        version: int | None,
        on_batch: Callable[[], None],
    ) -> None:
        self.wrote_any = False
        self._config = config
        self._encoder = encoder
        self._send = send
        self._version = version
        self._on_batch = on_batch
        self._files: dict[str, _File] = {}

    def write(self, contacts: Sequence[Contact]) -> None:
        """Add some contacts to the files; full ones are stored and sent.

        Raises:
            OutputError: A file cannot be written.
        """
        while contacts:
            fullest = max((file.rows for file in self._files.values()), default=0)
            number = min(self._config.batch_size - fullest, AT_ONCE)
            for rows in self._encoder.rows(contacts[:number]):
                self._add(rows)
            contacts = contacts[number:]

    def finish(self) -> None:
        """Store and send the files that are not full.

        Raises:
            OutputError: A file cannot be written.
        """
        for stream in list(self._files):
            self._store(stream)

    def _add(self, rows: Rows) -> None:
        with self._failures_explained():
            if rows.stream not in self._files:
                self._files[rows.stream] = _File(self._config.encoding.compression)
            file = self._files[rows.stream]
            file.add(rows)
            self.wrote_any = True
        if file.rows >= self._config.batch_size:
            self._store(rows.stream)

    def _store(self, stream: str) -> None:
        encoding, storage = self._config.encoding, self._config.storage
        extension = _EXTENSIONS[encoding.compression]
        name = f"{storage.prefix or ''}tap-cometly--{stream}-{uuid.uuid4()}{extension}"
        with self._failures_explained():
            self._files[stream].store(storage, name)
            del self._files[stream]
        manifest = [storage.get_url(name)]
        self._send(
            SDKBatchMessage(
                stream=stream, encoding=encoding, manifest=manifest, version=self._version
            )
        )
        self._on_batch()

    @contextlib.contextmanager
    def _failures_explained(self) -> Iterator[None]:
        """Raise any failure as one of writing BATCH files, and let go of all of them."""
        try:
            yield
        except Exception as error:  # noqa: BLE001, each store has errors of its own
            for file in self._files.values():
                file.discard()
            self._files.clear()
            raise _unwritable(error) from None


def _unwritable(error: Exception) -> TapError:
    disk_full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    if not disk_full and (refused := machine_error(error)):
        return refused
    why = getattr(error, "strerror", None) or type(error).__name__
    msg = f"A BATCH file cannot be written ({why})"
    advice = "Check `batch_config.storage`, the rights and the free space there, and TMPDIR."
    return OutputError(msg, advice)
