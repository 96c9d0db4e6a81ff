"""The export file: gzipped NDJSON, one contact a line, in every reading."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.contract.conftest import reading
from tests.sandbox import partial

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import StartCometly
    from tests.sandbox.partial import Keeps

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
COUNT = 10


@pytest.fixture
def client(cometly: StartCometly, request: pytest.FixtureRequest) -> Client:
    """Ten contacts, and the options that the test names."""
    client = cometly(**getattr(request, "param", {}))
    client.space.fill(COUNT, MARCH, MARCH + timedelta(days=1))
    return client


def zipped(client: Client) -> bytes:
    return client.fetch(client.completed()).content


def unzipped(client: Client) -> bytes:
    return gzip.decompress(zipped(client))


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
    content = unzipped(client)

    assert content.count(b"\n") == COUNT
    assert content.endswith(b"}\n")
    assert client.exported() == client.contacts()


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
def test_a_file_may_be_in_any_order(client: Client, order: str) -> None:
    client.change_options(file_order=order)

    given = ids(unzipped(client))

    rising = list(range(1, COUNT + 1))
    assert sorted(given) == rising
    assert (given == rising[::-1], given == rising) == (order == "newest", order == "oldest")


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"gzip_members": 3}, [3, 3, 4]),
        ({"gzip_members": 2, "empty_member": True}, [5, 0, 5]),
    ],
)
def test_a_file_may_have_several_gzip_members(
    client: Client, options: dict[str, Any], lines: list[int]
) -> None:
    client.change_options(**options)

    assert [len(part.splitlines()) for part in members(zipped(client))] == lines


@pytest.mark.parametrize(
    ("option", "breaks", "end"),
    [
        ({"last_newline": False}, COUNT - 1, b"}"),
        ({"crlf": True}, COUNT, b"}\r\n"),
        ({"blank_lines": True}, COUNT * 3 // 2, b"\n\n"),
    ],
)
def test_lines_may_end_in_several_ways(
    client: Client, option: dict[str, Any], breaks: int, end: bytes
) -> None:
    client.change_options(**option)

    content = unzipped(client)

    assert content.count(b"\r\n" if "crlf" in option else b"\n") == breaks
    assert content.endswith(end)
    assert len(ids(content)) == COUNT


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
    assert client.content(client.export("2020-01-01 00:00:00", "2020-01-02 00:00:00")) == b""


def test_the_same_space_gives_the_same_file(client: Client) -> None:
    first, second = (client.fetch(client.completed()) for _ in range(2))

    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]


@reading(gzip_members=2)
def test_a_large_file_is_streamed(client: Client) -> None:
    client.space.fill(40_000, MARCH, MARCH + timedelta(days=1))

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
    client.change_options(export_keeps=keeps)
    export_id = client.export()

    assert client.finished(export_id)["status"] == "completed"
    assert ids(client.content(export_id)) == kept
    assert len(client.contacts()) == COUNT


@reading(export_keeps=partial.scattered(0.7), gzip_members=2, last_newline=False)
def test_contacts_may_be_lacking_anywhere(client: Client) -> None:
    client.space.fill(10_000, MARCH, MARCH + timedelta(days=1))

    first, again = ids(unzipped(client)), ids(unzipped(client))

    assert first == again
    assert len(first) == pytest.approx(7000, rel=0.03)
    assert {number // 1000 for number in first} == set(range(11))
    assert client.sandbox.requests[-1].rows == len(first)


@reading(export_keeps=partial.one_row, partial_exports=2)
def test_only_the_first_exports_may_be_partial(client: Client) -> None:
    assert [len(client.exported()) for _ in range(4)] == [1, 1, COUNT, COUNT]
