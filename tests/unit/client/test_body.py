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
NOISE = random.Random(1).randbytes(30_000)  # noqa: S311 - reproducible, not secret


def answer(body: bytes, encoding: str | None) -> requests.Response:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    made = requests.Response()
    made.raw = urllib3.HTTPResponse(BytesIO(body), headers, preload_content=False)
    made.headers.update(headers)
    return made


def read(body: bytes, encoding: str | None = "gzip") -> bytes:
    return Answer.received(answer(body, encoding), too_late=lambda: False).unzipped()


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_what_is_not_encoded_stays_as_it_is(encoding: str | None) -> None:
    assert read(ZIPPED, encoding) == ZIPPED


@pytest.mark.parametrize(
    "body",
    [
        ZIPPED,
        ZIPPED + bytes(512),
    ],
    ids=["as it is", "with padding"],
)
def test_what_is_zipped_is_unzipped_to_its_end(body: bytes) -> None:
    assert read(body) == TEXT


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_page_may_have_ten_million_bytes_of_which_none_is_lost(encoding: str | None) -> None:
    page = NOISE * 334

    assert read(gzip.compress(page, 1) if encoding else page, encoding) == page


def test_what_repeats_from_afar_is_unzipped() -> None:
    assert read(gzip.compress(NOISE * 2)) == NOISE * 2


@pytest.mark.parametrize("encoding", [None, "gzip", "br"])
def test_an_empty_body_is_empty_in_any_encoding(encoding: str | None) -> None:
    assert read(b"", encoding) == b""


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
def test_what_is_not_encoded_as_it_says_is_refused(body: bytes) -> None:
    with pytest.raises(ContentDecodingError):
        read(body)


def test_what_takes_too_long_is_refused() -> None:
    with pytest.raises(ReadTimeout):
        Answer.received(answer(TEXT, None), too_late=lambda: True)


def test_what_is_too_large_is_refused_before_it_is_unzipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_cometly.client.responses._LARGEST", 100_000)

    assert read(bytes(100_000), None) == bytes(100_000)
    with pytest.raises(ReadTimeout, match="too large"):
        read(bytes(100_001), None)


def test_what_would_unzip_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_cometly.client.responses._LARGEST", 1_000)

    with pytest.raises(ContentDecodingError):
        read(gzip.compress(bytes(1_001)))
