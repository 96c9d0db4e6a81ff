"""Dates are read in any ISO 8601 form; what only looks like one is refused."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from tap_cometly.timeranges import read_date, read_instant

KATHMANDU = timezone(timedelta(hours=5, minutes=45))


@pytest.mark.parametrize("text", ["2024-02-29", "20240229", "2024-060", "2024-W09-4", "2024W094"])
def test_a_date_alone_is_a_date(text: str) -> None:
    read = read_date(text)

    assert read == date(2024, 2, 29)
    assert type(read) is date


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-02-29T01:02:03", datetime(2024, 2, 29, 1, 2, 3)),  # noqa: DTZ001, as written
        ("2024-02-29 01:02:03.5", datetime(2024, 2, 29, 1, 2, 3, 500_000)),  # noqa: DTZ001, as written
        ("20240229T010203Z", datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc)),
        ("2024-02-29T01:02:03+05:45", datetime(2024, 2, 29, 1, 2, 3, tzinfo=KATHMANDU)),
    ],
)
def test_a_time_has_a_zone_only_where_it_is_written(text: str, read: datetime) -> None:
    got = read_date(text)

    assert isinstance(got, datetime)
    assert (got.replace(tzinfo=None), got.utcoffset()) == (
        read.replace(tzinfo=None),
        read.utcoffset(),
    )
    assert type(got) is datetime


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "1709164800",
        "170916480",
        "P1D",
        "01:02:03",
        "yesterday",
        "2024-13-01",
        " ",
        None,
        20240229,
    ],
)
def test_what_is_no_date_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_date(text)


@pytest.mark.parametrize("text", [None, 20240229, "2024", "2024-01-01/2024-02-01"])
def test_a_refusal_says_that_it_is_no_date(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^not a date$"):
        read_date(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=timezone.utc)),
        ("2024-02-29T01:02:03", datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc)),
        ("2024-02-29T05:45:00+05:45", datetime(2024, 2, 29, tzinfo=timezone.utc)),
    ],
)
def test_an_instant_is_utc_whatever_zone_it_is_written_in(text: str, instant: datetime) -> None:
    read = read_instant(text)

    assert (read, read.utcoffset()) == (instant, timedelta())


def test_the_zone_of_the_machine_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        read = read_instant("2024-02-29T01:00:00+01:00")
    time.tzset()

    assert (read, read.utcoffset()) == (datetime(2024, 2, 29, tzinfo=timezone.utc), timedelta())


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_an_instant_outside_all_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^outside the years 1 to 9999$"):
        read_instant(text)
