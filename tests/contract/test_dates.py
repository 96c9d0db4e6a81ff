"""`start_date` and `end_date`: wall time in the Space's zone, on the time of creation."""

from __future__ import annotations

import gzip
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.contract.client import rows
from tests.contract.conftest import UNLIMITED
from tests.sandbox import Options

if TYPE_CHECKING:
    from tests.contract.conftest import Clock, StartCometly


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2024-07-01 00:00:00", "2024-07-01 00:00:01"),
        ("America/Los_Angeles", "2024-06-30 17:00:00", "2024-06-30 17:00:01"),
        ("Asia/Tokyo", "2024-07-01 09:00:00", "2024-07-01 09:00:01"),
        ("Asia/Kathmandu", "2024-07-01 05:45:00", "2024-07-01 05:45:01"),
        ("Europe/London", "2024-07-01 01:00:00", "2024-07-01 01:00:01"),
        ("Australia/Lord_Howe", "2024-07-01 10:30:00", "2024-07-01 10:30:01"),
    ],
)
def test_dates_are_wall_time_of_the_space(
    cometly: StartCometly, zone: str, start: str, end: str
) -> None:
    client = cometly(Options(timezone=zone, queued_seconds=0.0))
    contact = client.sandbox.space.add(created_at=utc("2024-07-01 00:00:00"))
    client.sandbox.space.add(created_at=utc("2024-06-30 23:59:58"))

    assert client.ids(start, end) == [contact]
    assert [row["id"] for row in client.exported(start, end)] == [contact]


@pytest.mark.parametrize(("inclusive", "served"), [(True, [2, 1]), (False, [1])])
def test_the_end_second_may_be_in_or_out(
    cometly: StartCometly, *, inclusive: bool, served: list[int]
) -> None:
    client = cometly(Options(end_inclusive=inclusive, queued_seconds=0.0))
    client.sandbox.space.add(created_at=utc("2024-07-01 10:00:00"))  # the start is always in
    client.sandbox.space.add(created_at=utc("2024-07-01 11:00:00"))
    window = ("2024-07-01 10:00:00", "2024-07-01 11:00:00")

    assert client.ids(*window) == served
    assert [row["id"] for row in client.exported(*window)] == served


def test_the_fraction_of_a_second_counts(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=utc("2024-07-01 10:00:00.412"))

    assert client.ids("2024-07-01 09:00:00", "2024-07-01 10:00:00") == []
    assert client.ids("2024-07-01 10:00:00", "2024-07-01 11:00:00") == [1]
    assert client.ids("2024-07-01 10:00:01", "2024-07-01 11:00:00") == []


@pytest.mark.parametrize(
    ("hour", "served"),
    [("first", [4, 3, 2]), ("second", [4, 3])],
)
def test_a_start_in_the_repeated_hour_means_one_of_two(
    cometly: StartCometly, hour: str, served: list[int]
) -> None:
    """In Los Angeles 01:30 occurs twice on 2024-11-03: at 08:30 and at 09:30 UTC."""
    options = Options(timezone="America/Los_Angeles", repeated_hour=hour)  # type: ignore[arg-type]
    client = cometly(options)
    for moment in ("08:15", "08:45", "09:45", "10:15"):
        client.sandbox.space.add(created_at=utc(f"2024-11-03 {moment}:00"))

    assert client.ids("2024-11-03 01:30:00", "2024-11-03 12:00:00") == served


@pytest.mark.parametrize(("hour", "served"), [("first", [1]), ("second", [3, 2, 1])])
def test_an_end_in_the_repeated_hour_means_the_same_of_two(
    cometly: StartCometly, hour: str, served: list[int]
) -> None:
    options = Options(timezone="America/Los_Angeles", repeated_hour=hour)  # type: ignore[arg-type]
    client = cometly(options)
    for moment in ("08:15", "08:45", "09:15", "09:45"):
        client.sandbox.space.add(created_at=utc(f"2024-11-03 {moment}:00"))

    assert client.ids("2024-11-02 12:00:00", "2024-11-03 01:30:00") == served


@pytest.mark.parametrize("hour", ["first", "second"])
def test_a_wall_time_that_never_was_moves_on_by_the_gap(cometly: StartCometly, hour: str) -> None:
    """In New York 02:30 was left out on 2024-03-10; PHP reads 03:30, which is 07:30 UTC."""
    options = Options(timezone="America/New_York", repeated_hour=hour)  # type: ignore[arg-type]
    client = cometly(options)
    client.sandbox.space.add(created_at=utc("2024-03-10 07:29:59"))
    client.sandbox.space.add(created_at=utc("2024-03-10 07:30:00"))

    assert client.ids("2024-03-10 02:30:00", "2024-03-10 12:00:00") == [2]


def test_a_contact_dated_in_the_future_is_served(cometly: StartCometly) -> None:
    client = cometly(Options(visible_after=60.0))
    client.sandbox.space.add(created_at=utc("2099-01-01 00:00:00"))

    assert client.ids(end="2100-01-01 00:00:00") == [1]


def test_rows_may_become_visible_late(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(visible_after=30.0), now=clock)
    client.sandbox.space.add(created_at=utc("2024-06-01 11:59:00"))
    client.sandbox.space.add(created_at=utc("2024-06-01 12:00:00"))

    clock.advance(29)
    assert client.ids() == [1]

    clock.advance(1)
    assert client.ids() == [2, 1]


def test_one_row_may_become_visible_late(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(now=clock)
    space = client.sandbox.space
    space.add(created_at=utc("2024-01-01 00:00:00"), visible_at=utc("2024-06-01 12:01:00"))

    assert client.ids() == client.exported() == []
    assert space.ids() == set()

    clock.advance(60)
    assert client.ids() == [1]
    assert [row["id"] for row in client.exported()] == [1]
    assert space.ids() == {1}


def test_the_owner_may_change_the_zone(cometly: StartCometly, clock: Clock) -> None:
    """From then on dates mean something else; a job keeps what they meant when it was created."""
    client = cometly(Options(timezone="America/Los_Angeles", queued_seconds=10), now=clock)
    for hour in ("07", "17"):
        client.sandbox.space.add(created_at=utc(f"2024-06-01 {hour}:30:00"))
    morning = ("2024-06-01 00:00:00", "2024-06-01 12:00:00")
    assert client.ids(*morning) == [2, 1]
    before = client.create(*morning).json()["export_id"]

    client.sandbox.options = Options(timezone="UTC", queued_seconds=0)

    assert client.ids(*morning) == [1]
    assert [row["id"] for row in client.exported(*morning)] == [1]
    clock.advance(10)
    content = client.fetch(client.finished(before)["download_url"]).content
    assert [row["id"] for row in rows(gzip.decompress(content))] == [2, 1]


def test_an_import_may_put_thousands_into_one_second(cometly: StartCometly) -> None:
    client = cometly()
    second = utc("2024-06-01 10:00:00")
    client.sandbox.space.fill(15_000, second, second + timedelta(seconds=1))

    page = client.page("2024-06-01 10:00:00", "2024-06-01 10:00:01", per_page=5000).json()

    assert len(page["data"]) == 5000
    assert page["next_cursor"]
    assert client.ids("2024-06-01 10:00:01", "2024-06-01 10:00:02") == []
    assert len(client.exported("2024-06-01 10:00:00", "2024-06-01 10:00:01")) == 15_000


@pytest.mark.parametrize("hour", ["first", "second"])
def test_an_import_within_the_repeated_hour_is_quick(cometly: StartCometly, hour: str) -> None:
    options = Options(
        timezone="America/Los_Angeles",
        repeated_hour=hour,  # type: ignore[arg-type]
        limits=UNLIMITED,
        queued_seconds=0,
    )
    client = cometly(options)
    started = time.process_time()
    first, both = utc("2024-11-03 08:00:00"), timedelta(hours=2)
    client.sandbox.space.fill(300_000, first, first + both)
    assert time.process_time() - started < 2

    night = ("2024-11-03 00:00:00", "2024-11-03 03:00:00")
    started = time.process_time()
    page = client.page(*night, per_page=5000).json()
    within = client.page("2024-11-03 01:00:00", "2024-11-03 01:59:59", per_page=5000).json()
    assert time.process_time() - started < 1

    assert [row["id"] for row in page["data"][:2]] == [300_000, 299_999]
    newest = within["data"][0]["id"]
    assert newest == pytest.approx(150_000 if hour == "first" else 300_000, rel=0.02)
