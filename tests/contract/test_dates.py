"""`start_date` and `end_date`: wall time in the Space's zone, on the time of creation."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.contract.client import YEAR, rows

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("zone", "wall_time"),
    [
        ("UTC", "2024-07-01 00:00:0"),
        ("America/Los_Angeles", "2024-06-30 17:00:0"),
        ("Asia/Kathmandu", "2024-07-01 05:45:0"),
    ],
)
def test_dates_are_wall_time_of_the_space(cometly: StartCometly, zone: str, wall_time: str) -> None:
    client = cometly(timezone=zone)
    contact = client.space.add(created_at=utc("2024-07-01 00:00:00"))
    client.space.add(created_at=utc("2024-06-30 23:59:58"))
    window = (f"{wall_time}0", f"{wall_time}1")

    assert client.ids(*window) == client.exported_ids(*window) == [contact]


@pytest.mark.parametrize(("inclusive", "served"), [(True, [2, 1]), (False, [1])])
def test_the_end_second_may_be_in_or_out(
    cometly: StartCometly, *, inclusive: bool, served: list[int]
) -> None:
    client = cometly(end_inclusive=inclusive)
    window = ("2024-07-01 10:00:00", "2024-07-01 11:00:00")
    for text in window:  # the start is always in
        client.space.add(created_at=utc(text))

    assert client.ids(*window) == client.exported_ids(*window) == served


def test_the_fraction_of_a_second_counts(client: Client) -> None:
    client.space.add(created_at=utc("2024-07-01 10:00:00.412"))

    assert client.ids("2024-07-01 09:00:00", "2024-07-01 10:00:00") == []
    assert client.ids("2024-07-01 10:00:00", "2024-07-01 11:00:00") == [1]
    assert client.ids("2024-07-01 10:00:01", "2024-07-01 11:00:00") == []


@pytest.mark.parametrize(
    ("hour", "before", "after"),
    [("first", [1], [4, 3, 2]), ("second", [3, 2, 1], [4]), ("wall", [3, 1], [4, 2])],
)
def test_a_time_in_the_repeated_hour_means_one_of_two(
    cometly: StartCometly, hour: str, before: list[int], after: list[int]
) -> None:
    """In Los Angeles 01:30 occurs twice on 2024-11-03: at 08:30 and at 09:30 UTC."""
    client = cometly(timezone="America/Los_Angeles", repeated_hour=hour)
    for moment in ("08:15", "08:45", "09:15", "09:45"):
        client.space.add(created_at=utc(f"2024-11-03 {moment}:00"))

    until, since = (YEAR[0], "2024-11-03 01:30:00"), ("2024-11-03 01:30:00", YEAR[1])
    assert client.ids(*until) == client.exported_ids(*until) == before
    assert client.ids(*since) == client.exported_ids(*since) == after


def test_a_wall_time_that_never_was_moves_on_by_the_gap(cometly: StartCometly) -> None:
    """In New York 02:30 was left out on 2024-03-10; PHP reads 03:30, which is 07:30 UTC."""
    client = cometly(timezone="America/New_York", repeated_hour="second")
    for second in ("07:29:59", "07:30:00"):
        client.space.add(created_at=utc(f"2024-03-10 {second}"))

    assert client.ids("2024-03-10 02:30:00", "2024-03-10 12:00:00") == [2]


def test_rows_may_become_visible_late_save_those_of_the_future(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, visible_after=30.0)
    client.space.add(created_at=clock.now - timedelta(minutes=1))
    client.space.add(created_at=clock.now)
    client.space.add(created_at=utc("2024-01-01 00:00:00"), visible_at=utc("2024-06-01 12:01:00"))
    client.space.add(created_at=utc("2099-01-01 00:00:00"))

    seen = []
    for seconds in (29, 1, 29, 1):
        clock.advance(seconds)
        assert client.ids() == client.exported_ids()
        seen.append(client.ids())

    assert seen == [[1], [2, 1], [2, 1], [3, 2, 1]]
    assert client.ids(end="2100-01-01 00:00:00") == [4, 3, 2, 1]
    assert client.space.ids() == {1, 2, 3, 4}


def test_the_owner_may_change_the_zone(cometly: StartCometly, clock: Clock) -> None:
    """From then on dates mean something else; a job keeps what they meant when it was created."""
    client = cometly(clock, timezone="America/Los_Angeles", queued_seconds=10)
    for hour in ("07", "17"):
        client.space.add(created_at=utc(f"2024-06-01 {hour}:30:00"))
    morning = ("2024-06-01 00:00:00", "2024-06-01 12:00:00")
    assert client.ids(*morning) == [2, 1]
    before = client.export(*morning)

    client.change_options(timezone="UTC", queued_seconds=0)

    assert client.ids(*morning) == client.exported_ids(*morning) == [1]
    clock.advance(10)
    assert [row["id"] for row in rows(client.content(before))] == [2, 1]
