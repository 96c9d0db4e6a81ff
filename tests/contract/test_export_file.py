"""The export file: gzipped NDJSON, one contact a line, in every reading."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import requests

from tests.contract.conftest import UNLIMITED
from tests.sandbox import Options, partial

if TYPE_CHECKING:
    from typing import Any

    from tests.contract.client import Client
    from tests.contract.conftest import StartCometly
    from tests.sandbox.partial import Keeps

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
COUNT = 10


@pytest.fixture
def client(cometly: StartCometly, request: pytest.FixtureRequest) -> Client:
    """Ten contacts, and the options that the test names."""
    options: dict[str, Any] = getattr(request, "param", {})
    client = cometly(Options(queued_seconds=0, limits=UNLIMITED, **options))
    client.sandbox.space.fill(COUNT, MARCH, MARCH + timedelta(days=1))
    return client


def reading(**options: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", [options], indirect=True)


def members(content: bytes) -> list[bytes]:
    """The gzip members of a file, each unzipped."""
    parts = []
    while content:
        unzip = zlib.decompressobj(wbits=31)
        parts.append(unzip.decompress(content))
        content = unzip.unused_data
    return parts


def ids(content: bytes) -> list[int]:
    return [json.loads(line)["id"] for line in content.splitlines() if line]


def test_a_file_has_one_contact_a_line(client: Client) -> None:
    content = client.file()

    assert content.count(b"\n") == COUNT
    assert content.endswith(b"}\n")
    assert client.exported() == client.contacts()


@reading(file_order="newest")
def test_newest_first(client: Client) -> None:
    assert ids(client.file()) == list(range(COUNT, 0, -1))


@reading(file_order="oldest")
def test_oldest_first(client: Client) -> None:
    assert ids(client.file()) == list(range(1, COUNT + 1))


@reading(file_order="shuffled")
def test_in_no_order(client: Client) -> None:
    given = ids(client.file())

    assert sorted(given) == list(range(1, COUNT + 1))
    assert given not in (sorted(given), sorted(given, reverse=True))


@reading(gzip_members=3)
def test_several_gzip_members(client: Client) -> None:
    parts = members(client.fetch(client.completed()).content)

    assert [len(part.splitlines()) for part in parts] == [3, 3, 4]


@reading(gzip_members=2, empty_member=True)
def test_an_empty_gzip_member(client: Client) -> None:
    parts = members(client.fetch(client.completed()).content)

    assert [len(part.splitlines()) for part in parts] == [5, 0, 5]


@reading(last_newline=False)
def test_no_last_newline(client: Client) -> None:
    assert client.file().endswith(b"}")
    assert len(client.exported()) == COUNT


@reading(crlf=True)
def test_lines_that_end_as_on_windows(client: Client) -> None:
    assert client.file().count(b"}\r\n") == COUNT


@reading(blank_lines=True)
def test_blank_lines(client: Client) -> None:
    assert b"" in client.file().splitlines()
    assert len(client.exported()) == COUNT


@reading(content_encoding=True)
def test_the_store_may_announce_an_encoding(client: Client) -> None:
    answer = client.fetch(client.completed())

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(ids(answer.content)) == COUNT  # requests has unzipped it


@reading(content_length=False)
def test_the_length_may_be_unannounced(client: Client) -> None:
    url = client.completed()
    answer = client.fetch(url)

    assert "Content-Length" not in answer.headers
    assert len(ids(gzip.decompress(answer.content))) == COUNT
    part = client.fetch(url, Range="bytes=0-0")
    assert part.headers["Content-Range"] == f"bytes 0-0/{len(answer.content)}"


def test_a_window_without_contacts_is_valid_gzip_of_nothing(client: Client) -> None:
    assert client.file("2020-01-01 00:00:00", "2020-01-02 00:00:00") == b""


def test_the_same_space_gives_the_same_file(client: Client) -> None:
    first, second = (client.fetch(client.completed()) for _ in range(2))

    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]


@reading(gzip_members=2)
def test_a_large_file_is_streamed(client: Client) -> None:
    client.sandbox.space.fill(40_000, MARCH, MARCH + timedelta(days=1))

    url = client.completed(include_comet_tokens=1)
    with requests.get(url, stream=True, timeout=10) as answer:
        content = b"".join(answer.iter_content(1 << 16))

    assert len(content) == int(answer.headers["Content-Length"]) > 1 << 20
    assert len(gzip.decompress(content).splitlines()) == COUNT + 40_000


@pytest.mark.parametrize(
    ("keeps", "kept"),
    [
        (partial.oldest(0.5), [5, 4, 3, 2, 1]),
        (partial.newest(0.4), [10, 9, 8, 7]),
        (partial.without(10, 3), [9, 8, 7, 6, 5, 4, 2, 1]),
        (partial.one_row, [1]),
        (partial.nothing, []),
    ],
)
def test_a_completed_export_may_lack_contacts(
    client: Client, keeps: Keeps, kept: list[int]
) -> None:
    client.sandbox.options = replace(client.sandbox.options, export_keeps=keeps)

    answer = client.finished(client.create().json()["export_id"])

    assert answer["status"] == "completed"
    assert ids(gzip.decompress(client.fetch(answer["download_url"]).content)) == kept
    assert len(client.contacts()) == COUNT


@reading(export_keeps=partial.scattered(0.7), gzip_members=2, last_newline=False)
def test_contacts_may_be_lacking_anywhere(client: Client) -> None:
    client.sandbox.space.fill(10_000, MARCH, MARCH + timedelta(days=1))

    first, again = ids(client.file()), ids(client.file())

    assert first == again
    assert len(first) == pytest.approx(7000, rel=0.03)
    assert {number // 1000 for number in first} == set(range(11))
    assert client.sandbox.requests[-1].rows == len(first)


@reading(export_keeps=partial.one_row, partial_exports=2)
def test_only_the_first_exports_may_be_partial(client: Client) -> None:
    assert [len(ids(client.file())) for _ in range(4)] == [1, 1, COUNT, COUNT]
