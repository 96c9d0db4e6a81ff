"""A response's body: whole, and of sane size; unzipped by what is quickest at it."""

from __future__ import annotations

import typing as t

from isal import isal_zlib
from requests.exceptions import ContentDecodingError, ReadTimeout

if t.TYPE_CHECKING:
    from collections.abc import Callable

    import requests

ENCODING = "gzip"  # what may be asked for
_PART = 2**16  # bytes
_LARGEST = 128 * 2**20  # bytes; a page of 5,000 contacts has 1 to 10 million
_GZIP_FRAME = 31  # zlib's `wbits`
_GZIP_MAGIC = b"\x1f\x8b"
_ZipError = t.cast("type[Exception]", isal_zlib.error)


class Body(t.NamedTuple):
    """A response's body, as it came.

    Attributes:
        content: All of it.
        encoding: What its header says about it.
    """

    content: bytes
    encoding: str

    @classmethod
    def received(cls, response: requests.Response, too_late: Callable[[], bool]) -> Body:
        """Read a body to its end.

        Args:
            response: Nothing of it has been read.
            too_late: Says whether it has taken too long, from the first byte on.

        Raises:
            ReadTimeout: It takes too long, or is too large.
            urllib3.exceptions.HTTPError: The connection broke.
        """
        parts, size = [], 0
        while part := response.raw.read1(_PART, decode_content=False):  # as it comes, if slowly
            parts.append(part)
            size += len(part)
            if size > _LARGEST or too_late():
                msg = "the answer takes too long or is too large"
                raise ReadTimeout(msg)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        return cls(b"".join(parts), encoding)

    def unzipped(self) -> bytes:
        """Give it without its encoding; measured: `requests` takes twice as long to unzip one.

        Raises:
            ContentDecodingError: It is not encoded as it says.
        """
        plain = not self.content or self.encoding in {"", "identity"}
        return self.content if plain else _unzipped(self.content)


def _unzipped(zipped: bytes) -> bytes:
    whole = b""
    while True:
        unzip = isal_zlib.decompressobj(_GZIP_FRAME)
        try:
            whole += unzip.decompress(zipped, max(_LARGEST - len(whole), 1))
        except _ZipError:
            msg = "the answer is not encoded as it says"
            raise ContentDecodingError(msg) from None
        if not unzip.eof:
            msg = "the answer is cut, or too large"
            raise ContentDecodingError(msg)
        zipped = unzip.unused_data
        if not zipped.startswith(_GZIP_MAGIC):  # at most padding
            return whole
