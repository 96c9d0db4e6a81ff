"""An answer's body: whole and unzipped, or an error."""

from __future__ import annotations

import gzip
import random
import zlib
from io import BytesIO

import pytest
import requests
import urllib3
from requests.exceptions import ContentDecodingError, ReadTimeout

from tap_cometly.client.responses import Answer

TEXT = b'{"data":[],"next_cursor":null}' * 50
ZIPPED = gzip.compress(TEXT)
PAGE = random.Random(1).randbytes(30_000) * 334  # noqa: S311 - reproducible, not secret


def answer(body: bytes, encoding: str | None) -> requests.Response:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    made = requests.Response()
    made.raw = urllib3.HTTPResponse(BytesIO(body), headers, preload_content=False)
    made.headers.update(headers)
    return made


def read(body: bytes, encoding: str | None = "gzip") -> bytes:
    return Answer.received(answer(body, encoding), too_late=lambda: False).unzipped()


@pytest.mark.parametrize(
    ("body", "encoding", "text"),
    [
        *((ZIPPED, encoding, ZIPPED) for encoding in (None, "", "identity", " Identity ")),
        *((b"", encoding, b"") for encoding in (None, "gzip", "br")),
        (ZIPPED, "gzip", TEXT),
        (ZIPPED + bytes(512), "gzip", TEXT),
        (gzip.compress(PAGE, 1), "gzip", PAGE),
        (PAGE, None, PAGE),
    ],
    ids=[
        *("no header", "empty header", "identity", "Identity"),
        *("nothing", "nothing, zipped", "nothing, in brotli"),
        *("zipped", "padding", "10 MB zipped", "10 MB"),
    ],
)
def test_a_body_is_unzipped_as_its_header_says(
    body: bytes, encoding: str | None, text: bytes
) -> None:
    assert read(body, encoding) == text


@pytest.mark.parametrize(
    "body",
    [
        ZIPPED[:-1],
        ZIPPED[:-8],
        ZIPPED[:20],
        ZIPPED[:-8] + bytes(4) + ZIPPED[-4:],
        zlib.compress(TEXT),
        TEXT,
    ],
    ids=["cut by a byte", "no trailer", "cut", "checksum", "zlib", "plain"],
)
def test_a_body_that_is_not_what_its_header_says_is_refused(body: bytes) -> None:
    with pytest.raises(ContentDecodingError):
        read(body)


def test_a_body_that_takes_too_long_is_refused() -> None:
    with pytest.raises(ReadTimeout):
        Answer.received(answer(TEXT, None), too_late=lambda: True)


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (bytes(100_001), None, ReadTimeout),
        (gzip.compress(bytes(100_001)), "gzip", ContentDecodingError),
    ],
    ids=["sent", "unzipped"],
)
def test_a_body_that_is_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, body: bytes, encoding: str | None, error: type[Exception]
) -> None:
    monkeypatch.setattr("tap_cometly.client.responses._LARGEST", 100_000)

    assert read(bytes(100_000), None) == bytes(100_000)
    with pytest.raises(error):
        read(body, encoding)
