"""What parses foreign bytes takes all of them: an answer or a refusal, and no valid line lost."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import tracemalloc
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_cometly.client.client import CometlyClient
from tap_cometly.client.retry import retry_after_seconds
from tap_cometly.config import Settings
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import BadFileError, GarbledError, RecordError, StateError
from tap_cometly.exports import ndjson
from tap_cometly.state import Bookmark, read_state
from tap_cometly.tap import TapCometly
from tap_cometly.timeranges import Reached, Window, read_date, read_instant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
MEGABYTE = 2**20

fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "200")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# What comes in.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
deep = st.sampled_from([10, 500, 100_000]).map(lambda n: b"[" * n + b"]" * n)
ids = st.integers(-(2**63), 2**63 - 1)
others = st.dictionaries(
    st.sampled_from([*(f.name for f in FIELDS if f.name != "id"), "unknown"]), json_values
)


def _dumped(contact: dict[str, Any]) -> bytes:
    return json.dumps(contact).encode()


good_lines = st.builds(lambda key, rest: _dumped({"id": key, **rest}), ids, others)
raw_lines = st.builds(
    lambda key, text: b'{"id":%d,"name":"%s"}' % (key, text),
    ids,
    st.binary(max_size=20).map(lambda b: b.translate(None, b'\n"\\')),
)
deep_lines = st.builds(lambda key, value: b'{"id":%d,"x":%s}' % (key, value), ids, deep)
blank_lines = st.sampled_from([b"", b" ", b"\t", b"\r"])
senseless = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 5000, b'{"id":1}{"id":2}', b'{"id":1,"id":2}', b"\xef\xbb\xbf"]),
)
any_lines = st.lists(st.one_of(good_lines, raw_lines, blank_lines, deep_lines, senseless))


def decoder() -> ContactDecoder:
    return ContactDecoder(FIELDS, RepairLog())


def packed(data: bytes, cuts: list[int]) -> bytes:
    """Gzipped in several members."""
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    parts = [data[a:b] for a, b in itertools.pairwise(ends)]
    return b"".join(map(gzip.compress, parts)) or gzip.compress(b"")


def read(file: bytes) -> list[int]:
    contacts = ndjson.blocks(io.BytesIO(file), decoder())
    return [contact.id for block in contacts for contact in block]


def key_of(line: bytes) -> int:
    key: int = json.loads(line.decode(errors="replace"), strict=False)["id"]
    return key


# Export files.


@fuzz
@given(
    st.lists(good_lines | raw_lines | blank_lines, max_size=30),
    st.lists(st.integers(0, 10_000), max_size=4),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.integers(1, 300),
)
def test_no_valid_line_is_lost(
    lines: list[bytes],
    cuts: list[int],
    newline: bytes,
    ended: bool,  # noqa: FBT001, drawn
    block: int,
) -> None:
    file = packed(newline.join(lines) + newline * ended, cuts)

    with mock.patch.object(ndjson, "_BLOCK", block):
        got = read(file)

    assert got == [key_of(line) for line in lines if line.strip()]


@fuzz
@given(any_lines, st.integers(50, 300))
def test_any_lines_are_contacts_or_refused(lines: list[bytes], block: int) -> None:
    text = b"\n".join(lines)

    with mock.patch.object(ndjson, "_BLOCK", block):
        try:
            got = len(read(gzip.compress(text)))
        except RecordError:
            return

    # A BOM of its own is a blank line, too.
    blank = b" \t\r\xef\xbb\xbf"
    assert got == sum(1 for line in text.split(b"\n") if line.strip(blank))


@fuzz
@given(
    st.lists(good_lines, min_size=1, max_size=20),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    st.floats(0, 1) | st.just(1.0),
    st.binary(max_size=30),
)
def test_a_damaged_file_is_found_out_or_read_whole(
    lines: list[bytes], damage: list[tuple[float, int]], kept: float, junk: bytes
) -> None:
    file = bytearray(gzip.compress(b"\n".join(lines)))
    for where, byte in damage:
        file[int(where * (len(file) - 1))] = byte
    file[int(kept * len(file)) :] = junk

    try:
        told = ndjson.verify(io.BytesIO(bytes(file)))
    except BadFileError:
        return

    assert told <= len(lines) + 30
    assert read(bytes(file))[: len(lines)] == [key_of(line) for line in lines]


@fuzz
@given(st.binary(max_size=200))
def test_any_file_is_lines_or_refused(file: bytes) -> None:
    try:
        ndjson.verify(io.BytesIO(file))
        read(file)
    except (BadFileError, RecordError):
        pass


# Answers.


@fuzz
@given(st.lists(good_lines | raw_lines | deep_lines | senseless, max_size=8), json_values)
def test_any_page_is_contacts_or_refused(contacts: list[bytes], cursor: Any) -> None:
    body = b'{"next_cursor":%s,"data":[%s]}' % (json.dumps(cursor).encode(), b",".join(contacts))

    try:
        page = decoder().page(body)
    except (GarbledError, RecordError):
        return

    answer = json.loads(body.decode(errors="replace"), strict=False)
    assert [contact.id for contact in page.contacts] == [c["id"] for c in answer["data"]]
    assert page.next_cursor == answer["next_cursor"]


@fuzz
@given(senseless | deep)
def test_any_answer_is_a_page_or_refused(body: bytes) -> None:
    with contextlib.suppress(GarbledError, RecordError):
        decoder().page(body)


answers = st.one_of(
    senseless,
    deep,
    st.builds(
        lambda values, more: json.dumps(values).encode()[:-1] + b',"x":' + more + b"}",
        st.fixed_dictionaries(
            {"export_id": json_values | st.integers()},
            optional={"status": json_values, "download_url": json_values},
        ),
        deep,
    ),
)


def client_of(body: bytes) -> CometlyClient:
    """A client of an API that answers each call with these bytes."""
    config = {"api_key": "ck_none", "start_date": "2024-01-01"}
    tap = TapCometly(config=config)
    client = CometlyClient(Settings.of(tap.config), tap.clock)
    setattr(client, "_ask", lambda call: call.read(body))  # noqa: B010, it is a method
    return client


@fuzz
@given(answers)
def test_any_answer_about_exports_is_read_or_refused(body: bytes) -> None:
    client = client_of(body)
    with contextlib.suppress(GarbledError):
        window = Window(NOON, NOON + timedelta(days=1))
        assert isinstance(client.create_export(window, options={}), int)
    with contextlib.suppress(GarbledError):
        assert isinstance(client.get_export(1).status, str)


# Headers, states, dates.

_numbers = st.integers(0, 99_999).map(str)
date_like = st.one_of(
    st.from_regex(r"[+-]?\d{1,6}-?\d{0,3}-?\d{0,3}[T ]?[\d:.,]{0,15}(Z|[+-][\d:]{0,7})?"),
    st.from_regex(r"\d{4}-?W\d{1,3}-?\d?(T\d\d)?", fullmatch=True),
    st.datetimes(timezones=st.none() | st.timezones()).map(lambda d: d.isoformat()),
    st.text(max_size=20),
    st.sampled_from(["P1Y", "2024-01-01/2024-02-01", "2024-02-30", "9999-12-31T23:59:60-12:00"]),
    json_values,
)
mail_dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Sat", "Foo", ""]),
    *(_numbers, st.sampled_from(["Jun", "Foo"]), _numbers, _numbers, _numbers, _numbers),
    st.sampled_from(["GMT", "-0000", "+9999", "-2359", "EST", "", "+99999999999"]),
)
retry_after = st.one_of(st.text(), st.floats().map(str), st.integers().map(str), mail_dates)


@fuzz
@given(retry_after)
def test_any_retry_after_says_how_long_to_wait(text: str) -> None:
    assert retry_after_seconds(text, NOON) >= 1.0


@fuzz
@given(date_like)
def test_any_date_is_read_or_refused(text: Any) -> None:
    for reader in (read_date, read_instant):
        with contextlib.suppress(ValueError):
            reader(text)


states = st.one_of(
    st.text(),
    json_values.map(json.dumps),
    st.builds(
        lambda mark: json.dumps({"bookmarks": {"contacts": mark}}),
        st.dictionaries(
            st.sampled_from(
                [
                    *("replication_key", "replication_key_value", "progress_markers"),
                    *("columns", "timezone", "relies_on_clock", "newest_id", "start_date"),
                ]
            ),
            json_values | date_like | st.just("created_at") | st.just("2024-05-05T05:05:05Z"),
        ),
    ),
)


@fuzz
@given(states)
def test_any_state_is_understood_or_refused_and_never_goes_back(text: str) -> None:
    try:
        stored = read_state(text).get("bookmarks", {}).get("contacts", {})
        bookmark = Bookmark(stored)
    except StateError:
        return
    before = bookmark.instant

    assert isinstance(bookmark.timezone, str | None)
    assert bookmark.columns is None or all(isinstance(name, str) for name in bookmark.columns)
    assert bookmark.first_start is None or bookmark.first_start.tzinfo
    bookmark.commit(Reached(NOON), columns=[], timezone="UTC", start=NOON)

    assert bookmark.instant
    assert bookmark.instant == max(NOON, before or NOON)
    assert Bookmark(stored).instant == bookmark.instant


# Memory.


def peak_of(file: io.BytesIO) -> int:
    """Bytes that reading a file takes at its height, the file itself left out."""
    tracemalloc.start()
    try:
        ndjson.verify(file)
        made = decoder()
        for _ in ndjson.blocks(file, made):
            pass
    except (BadFileError, RecordError):
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "lines",
    [
        b'{"id":1,"email":"ada@example.com","name":"Ada"}\n' * 200_000,
        b'{"id":1,"unknown":"field"}\n' * 50_000,
        b"\n" * 5_000_000,
        b'{"id":1,"name":"%s"}\n' % (b"x" * 7 * MEGABYTE) * 5,
    ],
    ids=["good", "repaired", "blank", "long lines"],
)
def test_memory_stays_flat(lines: bytes) -> None:
    file = io.BytesIO(gzip.compress(lines, 1))

    assert peak_of(file) < 64 * MEGABYTE
