"""The export file: gzipped NDJSON, one contact a line, in every reading."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

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


def file(client: Client) -> bytes:
    return client.fetch(client.completed()).content


def ids(content: bytes) -> list[int]:
    """Those of an unzipped file."""
    return [json.loads(line)["id"] for line in content.splitlines() if line]


def test_a_file_has_one_contact_a_line(client: Client) -> None:
    content = gzip.decompress(file(client))

    assert content.count(b"\n") == COUNT
    assert content.endswith(b"}\n")
    assert client.exported() == client.contacts()
    assert file(client) == file(client)
    assert client.content(client.export("2020-01-01 00:00:00", "2020-01-02 00:00:00")) == b""


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
def test_a_file_may_be_in_any_order(client: Client, order: str) -> None:
    client.change_options(file_order=order)

    given = client.exported_ids()

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

    members, rest = [], file(client)
    while rest:
        unzip = zlib.decompressobj(wbits=31)
        members.append(unzip.decompress(rest))
        rest = unzip.unused_data

    assert [len(member.splitlines()) for member in members] == lines


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

    content = gzip.decompress(file(client))

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


@pytest.mark.parametrize(
    ("keeps", "kept"),
    [
        (partial.oldest(0.5), [5, 4, 3, 2, 1]),
        (partial.newest(0.4), [10, 9, 8, 7]),
        (partial.hole(0.2, 0.9), [10, 2, 1]),
        (partial.scattered(0.7), [10, 9, 8, 6, 5, 4, 3]),
        (partial.without(10, 3), [9, 8, 7, 6, 5, 4, 2, 1]),
        (partial.one_row, [1]),
        (partial.nothing, []),
    ],
)
def test_completed_exports_may_lack_contacts_or_only_the_first_ones(
    client: Client, keeps: Keeps, kept: list[int]
) -> None:
    client.change_options(export_keeps=keeps, partial_exports=2)

    exported = [client.exported_ids() for _ in range(3)]

    assert exported == [kept, kept, client.ids()]
    assert len(client.ids()) == COUNT
