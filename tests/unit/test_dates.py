"""Dates are read in any ISO 8601 form; what only looks like one is refused."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly.timeranges import read_date, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable

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


NO_DATES = [
    *("", " ", "2024", "1709164800", "170916480", "P1D", "01:02:03", "yesterday", "2024-13-01"),
    *("2024-01-01/P1D", "2024-01-01/10:00:00Z", "2024-01-01/2024-02-01", None, 20240229),
]


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        *((read_date, text, "") for text in NO_DATES),
        *((read_date, text, "^not a date$") for text in (None, 20240229, "2024", NO_DATES[-3])),
        (read_instant, "0001-01-01T00:00:00+01:00", "^outside the years 1 to 9999$"),
        (read_instant, "9999-12-31T23:59:59-01:00", "^outside the years 1 to 9999$"),
    ],
)
def test_what_is_no_date_is_refused(read: Callable[[Any], object], text: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why or "."):
        read(text)


@pytest.mark.parametrize("machine", ["UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize("text", ["2024-02-29", "2024-02-29T00:00:00", "2024-02-29T05:45:00+05:45"])
def test_an_instant_is_utc_whatever_the_zone_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, text: str, machine: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", machine)
        time.tzset()
        read = read_instant(text)
    time.tzset()

    assert (read, read.utcoffset()) == (datetime(2024, 2, 29, tzinfo=timezone.utc), timedelta())
