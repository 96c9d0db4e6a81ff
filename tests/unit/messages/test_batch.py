"""BATCH files: private, and let go of quietly when they cannot be written."""

from __future__ import annotations

import errno
import gc
import gzip
import importlib.util
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

import pytest

from tap_cometly.contacts.schema import Contact
from tap_cometly.exceptions import MachineError, OutputError, SettingsError
from tap_cometly.messages.batch import BatchWriter, batch_config
from tap_cometly.messages.encoder import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.singerlib.encoding.simple import Message

CONTACT = Contact(id=1)
COMPRESSIONS = pytest.mark.parametrize("compression", ["gzip", "none"])


class Numbers:
    """Encodes contacts as their number, of which there is one in a line."""

    def records(self, _contacts: Sequence[Contact]) -> bytes:
        return b""

    def rows(self, contacts: Sequence[Contact]) -> Iterator[Rows]:
        yield Rows("contacts", b"1\n" * len(contacts), len(contacts))


class Batches:
    """A writer into a directory, and what it sent."""

    def __init__(self, root: Path, compression: str) -> None:
        config = batch_config(setting(root.as_uri(), compression))
        assert config
        self.sent: list[Any] = []
        self.writer = BatchWriter(
            config, Numbers(), self._send, version=None, on_batch=lambda: None
        )

    def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def files(self) -> list[Path]:
        return [Path(urlsplit(url).path) for message in self.sent for url in message.manifest]


def setting(root: str, compression: str = "gzip") -> dict[str, Any]:
    return {
        "encoding": {"format": "jsonl", "compression": compression},
        "storage": {"root": root},
        "batch_size": 3,
    }


@COMPRESSIONS
def test_files_are_for_this_user_only(tmp_path: Path, compression: str) -> None:
    batches = Batches(tmp_path / "spool", compression)
    umask = os.umask(0o022)
    try:
        batches.writer.write([CONTACT] * 4)
        batches.writer.finish()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(umask)

    assert [stat.S_IMODE(file.stat().st_mode) for file in batches.files] == [0o600, 0o600]
    read = gzip.decompress if compression == "gzip" else bytes
    assert [read(file.read_bytes()) for file in batches.files] == [b"1\n1\n1\n", b"1\n"]


class Refusing:
    """A temporary file that fails at the first byte, and once more when it is closed."""

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, _: bytes) -> int:
        raise OSError(self._number, os.strerror(self._number))

    def close(self) -> None:
        raise OSError(self._number, os.strerror(self._number))

    def seek(self, _: int) -> int:
        return 0


@COMPRESSIONS
@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.ENOSPC, OutputError, "A BATCH file cannot be written .No space left on device"),
        (errno.EMFILE, MachineError, "ulimit -n"),
    ],
)
def test_a_failed_write_is_one_error_though_closing_fails_too(
    tmp_path: Path, compression: str, number: int, error: type[Exception], says: str
) -> None:
    batches = Batches(tmp_path, compression)

    with (
        mock.patch.object(tempfile, "SpooledTemporaryFile", return_value=Refusing(number)),
        pytest.raises(error, match=says),
    ):
        batches.writer.write([CONTACT] * 3)

    batches.writer.finish()
    del batches.writer
    gc.collect()  # pytest fails the test for what is raised here
    assert batches.sent == []


@pytest.mark.parametrize(
    ("root", "package", "extra"),
    [("S3://bucket", "s3fs", "tap-cometly[s3]"), ("gcs://bucket/x", "gcsfs", "tap-cometly[gcs]")],
)
def test_a_bucket_needs_its_extra(root: str, package: str, extra: str) -> None:
    with (
        mock.patch.object(importlib.util, "find_spec", return_value=None) as find,
        pytest.raises(SettingsError, match=re.escape(extra)),
    ):
        batch_config(setting(root))

    find.assert_called_once_with(package)
