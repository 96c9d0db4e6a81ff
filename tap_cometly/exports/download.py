"""A presigned URL to a verified spool file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import urllib3

from tap_cometly.client.responses import describe_failure
from tap_cometly.client.retry import RetryPolicy
from tap_cometly.config import is_loopback
from tap_cometly.exceptions import (
    BadFileError,
    FileGoneError,
    OutputError,
    UrlRefusedError,
)
from tap_cometly.exports.ndjson import verify

if t.TYPE_CHECKING:
    from tap_cometly.runtime.clock import Clock

_PART = 64 * 2**10  # bytes
_SLOWEST = 1_000  # bytes a second, over a minute
_MINUTE = 60.0  # seconds
_LONGEST_SIZE = 18  # digits


@dataclass
class SpoolFile:
    """A downloaded file: private, without a name, and gone when closed.

    Attributes:
        file: The gzip file, whole and verified.
        lines: About how many contacts it holds.
        size: Bytes on the disk.
    """

    file: t.BinaryIO
    lines: int
    size: int

    def close(self) -> None:
        """Let go of the disk space."""
        with contextlib.suppress(OSError):  # what could not be written need not be
            self.file.close()


class Downloader:
    """Fetches export files from the store; safe to share between threads.

    Args:
        clock: For pauses, and to notice a download that is too slow.
        timeouts: Seconds to wait for a connection, and for the store to send something.
        user_agent: The header.
    """

    def __init__(self, clock: Clock, *, timeouts: tuple[float, float], user_agent: str) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._session = requests.Session()
        # None of `.netrc` either: S3 refuses any authorization beside the URL's own.
        self._session.auth = lambda request: request
        # The answer to a range of bytes tells the file's size, though its own length be unknown.
        headers = {"Accept-Encoding": "identity", "Range": "bytes=0-", "User-Agent": user_agent}
        self._session.headers.update(headers)
        # More downloads than this are never under way at once.
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def fetch(self, url: str) -> SpoolFile:
        """Download a file from its presigned, fresh URL, and verify it.

        Raises:
            UrlRefusedError: The URL has expired, or is refused for another reason.
            FileGoneError: There is no such file.
            BadFileError: The file came broken, too slowly, or is none.
            OutputError: The disk is full.
            UnavailableError: The store has not answered for minutes.
        """
        _check(url)
        file = t.cast("t.BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115, outlives this call
        spool = SpoolFile(file, lines=0, size=0)
        try:
            spool.size = self._download(url, file)
            spool.lines = verify(file)
        except BaseException as error:
            spool.close()
            if isinstance(error, OSError):
                raise _storage_error(error) from None
            raise
        return spool

    def _download(self, url: str, file: t.BinaryIO) -> int:
        with self._open(url) as response:
            size = _size(response)
            received = self._copy(response, file)
        if received != size:
            msg = f"it ended after {received} of {size} bytes"
            raise BadFileError(msg)
        return received

    def _open(self, url: str) -> requests.Response:
        retry = RetryPolicy(self._clock, service="The file store")
        while True:
            try:
                response = self._get(url)
            except requests.RequestException as failure:
                retry.after_failure(describe_failure(failure, service="the file store"))
                continue
            status = response.status_code
            if status in {requests.codes.ok, requests.codes.partial_content}:
                return response
            response.close()
            match status:
                case 403 | 400:
                    raise UrlRefusedError
                case 404 | 410:
                    raise FileGoneError
                case _ if status == requests.codes.too_many_requests or status >= 500:  # noqa: PLR2004
                    retry.after_failure(f"status {status}")
                case _:  # a redirect is not followed: it could lead anywhere
                    msg = f"the store answered with status {status}"
                    raise BadFileError(msg)

    def _get(self, url: str) -> requests.Response:
        return self._session.get(
            url,
            timeout=self._timeouts,
            allow_redirects=False,
            stream=True,
        )

    def _copy(self, response: requests.Response, file: t.BinaryIO) -> int:
        """Copy the body as it is on the wire, whatever its `Content-Encoding` says."""
        received = at_last_check = 0
        checked = self._clock.monotonic()
        while True:
            try:
                part = response.raw.read1(_PART, decode_content=False)
            except (urllib3.exceptions.HTTPError, requests.RequestException, TimeoutError) as error:
                msg = f"the connection broke after {received} bytes ({type(error).__name__})"
                raise BadFileError(msg) from None
            if not part:
                return received
            file.write(part)
            received += len(part)
            self._clock.sleep(0)  # raises when the sync has ended
            now = self._clock.monotonic()
            if now - checked >= _MINUTE:
                if received - at_last_check < _SLOWEST * _MINUTE:
                    msg = "it comes too slowly"
                    raise BadFileError(msg)
                checked, at_last_check = now, received


def _check(url: str) -> None:
    try:
        prepared = requests.Request("GET", url).prepare()
        parts = urlsplit(str(prepared.url))
        (parts.hostname or "").encode("idna")  # as connecting does: labels may be too long
    except ValueError:  # of this kind are also the errors of requests and of `encode`
        msg = "its URL is malformed"
        raise BadFileError(msg) from None
    plain = parts.scheme == "http" and is_loopback(parts.hostname)
    if parts.username or parts.password or not (parts.scheme == "https" or plain):
        msg = "its URL is neither https nor on loopback, or holds credentials"
        raise BadFileError(msg)


def _size(response: requests.Response) -> int:
    """Return the size of the whole file, also from a store that takes no notice of ranges."""
    whole = re.fullmatch(r"bytes 0-\d+/(\d+)", response.headers.get("Content-Range", ""))
    size = whole[1] if whole else response.headers.get("Content-Length", "")
    if not (size.isascii() and size.isdigit() and len(size) <= _LONGEST_SIZE):
        msg = "the store does not tell its size"
        raise BadFileError(msg)
    return int(size)


def _storage_error(error: OSError) -> OutputError:
    msg = f"A download cannot be stored in {tempfile.gettempdir()}: {os.strerror(error.errno or 0)}"
    return OutputError(msg, "Free some space there, or set TMPDIR to a larger directory.")
