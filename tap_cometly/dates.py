"""Dates that people and other programs wrote."""

from __future__ import annotations

import re
import typing as t
from datetime import date, datetime, timedelta, timezone

# A year alone, seconds since 1970 or a duration are ISO to some, but nobody's date here.
_STARTS_LIKE_A_DATE = re.compile(r"\d{4}-\d|\d{4}-?W\d|\d{8}(?!\d)")


def read_date(text: t.Any) -> datetime | date:
    """Read a date or date-time in any ISO 8601 form.

    Args:
        text: What somebody wrote.

    Returns:
        A date; or a datetime, naive when the text names no zone.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(text, str) or not _STARTS_LIKE_A_DATE.match(text):
        msg = "not a date"
        raise ValueError(msg)
    import pendulum  # noqa: PLC0415, takes 30 ms and is not always needed

    read: object = pendulum.parse(text, tz=None, exact=True)  # None leaves it naive
    if isinstance(read, datetime):
        zone = timezone(read.utcoffset() or timedelta()) if read.tzinfo else None
        return datetime.combine(read.date(), read.time(), tzinfo=zone)
    if isinstance(read, date):
        return date(read.year, read.month, read.day)
    msg = "not a date"
    raise ValueError(msg)


def read_instant(text: t.Any) -> datetime:
    """Read an instant in any ISO 8601 form; without a zone it is UTC.

    Raises:
        ValueError: It is none, or lies outside the years 1 to 9999.
    """
    read = read_date(text)
    moment = read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)  # noqa: DTZ001, made UTC below
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        msg = "outside the years 1 to 9999"
        raise ValueError(msg) from None
