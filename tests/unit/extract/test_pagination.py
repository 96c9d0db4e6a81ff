"""The list page by page: along its cursor, and in parts where it refuses a window's length."""

from __future__ import annotations

import json
import math
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import OptionalColumns, fields_asked
from tap_cometly.exceptions import (
    AccessError,
    RejectedError,
    TapError,
    TooSlowError,
    UnavailableError,
)
from tap_cometly.extract.pagination import (
    SURELY_SERVED,
    ContactList,
    CursorPaginator,
    ServedLength,
)
from tap_cometly.timeranges import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = Window(START, START + timedelta(days=1))
YEAR = Window(START, START + timedelta(days=366))
REJECTED = RejectedError("The range is too long", "Ask for less.")
SILENT = UnavailableError("Status 503", "Run again.")
SLOW = TooSlowError("Status 504", "Run again.")


class Call(NamedTuple):
    window: Window
    query: Mapping[str, Any]
    optional: bool


class Client:
    """Serves contacts that are so many days old, once what a test scripts has failed."""

    def __init__(
        self, days: Iterable[float] = (), *, longest: float = math.inf, refuses: TapError = REJECTED
    ) -> None:
        self.calls: list[Call] = []
        self.script: deque[TapError | None] = deque()
        self._days = sorted(days, reverse=True)
        self._longest = longest
        self._refuses = refuses

    def list_contacts(
        self,
        window: Window,
        decode: Callable[[bytes], Any],
        query: Mapping[str, Any],
        *,
        optional: bool = False,
    ) -> Any:
        self.calls.append(Call(window, query, optional))
        if self.script and (failure := self.script.popleft()):
            raise failure
        if window.seconds > self._longest:
            raise self._refuses
        return decode(json.dumps(self._page(window, query)).encode())

    def _page(self, window: Window, query: Mapping[str, Any]) -> dict[str, Any]:
        low, high = ((at - START).total_seconds() / 86_400 for at in (window.start, window.end))
        held = [round(day * 1_000) for day in self._days if low <= day <= high]
        skip, size = int(query.get("cursor", 0)), query["per_page"]
        more = str(skip + size) if len(held) > skip + size else None
        return {"data": [{"id": n} for n in held[skip : skip + size]], "next_cursor": more}


def list_of(client: Any) -> ContactList:
    return ContactList(client, ContactDecoder(fields_asked(()), RepairLog()), {}, ServedLength())


def paginator_of(client: Client) -> CursorPaginator:
    columns = OptionalColumns(fields_asked(()), "The list")
    return CursorPaginator(list_of(client), columns, page_size=3, inspect=lambda *_: None)


def read(paginator: CursorPaginator, window: Window, **first: Any) -> list[int]:
    return [c.id for contacts in paginator.read(window, **first) for c in contacts]


def test_an_optional_page_request_returns_none_on_failure_but_raises_on_a_wrong_key() -> None:
    client = Client([0.5])
    client.script.extend([REJECTED, SILENT, None, AccessError("The key is wrong", "Check it.")])
    contacts = list_of(client)

    assert [contacts.try_page(DAY, per_page=1) for _ in range(2)] == [None, None]
    assert contacts.try_page(DAY, per_page=1) is not None
    with pytest.raises(AccessError):
        contacts.try_page(DAY, per_page=1)
    assert all(call.optional for call in client.calls)


# Windows that are too long for the list.


@given(
    st.lists(st.floats(0, 400), max_size=20, unique_by=lambda day: round(day * 1_000)),
    st.floats(1, 400),
    st.sampled_from([REJECTED, SLOW]),
)
def test_whatever_length_the_list_serves_no_contact_is_lost(
    days: list[float], most: float, refuses: TapError
) -> None:
    client = Client(days, longest=most * 86_400, refuses=refuses)

    found = read(paginator_of(client), Window(START, START + timedelta(days=400)))

    assert set(found) == {round(day * 1_000) for day in days}


@pytest.mark.parametrize(
    ("error", "longest", "lengths"),
    [
        (REJECTED, SURELY_SERVED - 1, [DAY.seconds]),
        (SLOW, 0, [YEAR.seconds, SURELY_SERVED]),
        (SILENT, 0, [YEAR.seconds]),
    ],
    ids=["refuses a day", "too slow for a day", "does not answer"],
)
def test_a_list_that_would_not_serve_a_shorter_window_either_is_an_error(
    error: TapError, longest: float, lengths: list[int]
) -> None:
    client = Client(longest=longest, refuses=error)

    with pytest.raises(type(error)):
        read(paginator_of(client), DAY if error is REJECTED else YEAR)

    assert [call.window.seconds for call in client.calls] == lengths


def test_a_window_whose_first_page_was_served_is_read_along_its_cursor() -> None:
    client = Client([float(day) for day in range(9)])
    paginator = paginator_of(client)
    client.script.append(REJECTED)
    read(paginator, Window(START, START + timedelta(days=2)))
    whole = Window(START, START + timedelta(days=8))
    first = paginator.first_page(whole)
    client.calls.clear()

    read(paginator, whole, first=first)

    assert [(call.window, call.query.get("cursor")) for call in client.calls] == [
        (whole, "3"),
        (whole, "6"),
    ]
