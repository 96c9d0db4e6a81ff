"""The list page by page: along its cursor, and in parts where it refuses a window's length."""

from __future__ import annotations

import itertools
import json
import math
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import OptionalColumns, fields_asked
from tap_cometly.exceptions import (
    AccessError,
    ApiError,
    ColumnError,
    RejectedError,
    TapError,
    TooLongError,
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

    from tests.unit.conftest import Logged

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = Window(START, START + timedelta(days=1))
YEAR = Window(START, START + timedelta(days=366))
PAGE_SIZE = 3
REJECTED = RejectedError("The range is too long", "Ask for less.")
SILENT = UnavailableError("Status 503", "Run again.")
SLOW = TooSlowError("Status 504", "Run again.")


class Call(NamedTuple):
    window: Window
    query: Mapping[str, Any]
    advisory: bool


class Client:
    """Serves contacts that are so many days old; what a test scripts comes first."""

    def __init__(
        self, days: Iterable[float] = (), *, longest: float = math.inf, refuses: TapError = REJECTED
    ) -> None:
        self.calls: list[Call] = []
        self.script: deque[Any] = deque()
        self._days = sorted(days, reverse=True)
        self._longest = longest
        self._refuses = refuses

    def list_contacts(
        self,
        window: Window,
        decode: Callable[[bytes], Any],
        query: Mapping[str, Any],
        *,
        advisory: bool = False,
    ) -> Any:
        self.calls.append(Call(window, query, advisory))
        answer = self.script.popleft() if self.script else None
        if isinstance(answer, Exception):
            raise answer
        if window.seconds > self._longest:
            raise self._refuses
        return decode(json.dumps(answer or self._page(window, query)).encode())

    def _page(self, window: Window, query: Mapping[str, Any]) -> dict[str, Any]:
        low, high = ((at - START).total_seconds() / 86_400 for at in (window.start, window.end))
        held = [round(day * 1_000) for day in self._days if low <= day <= high]
        skip, size = int(query.get("cursor", 0)), query["per_page"]
        more = str(skip + size) if len(held) > skip + size else None
        return {"data": [{"id": n} for n in held[skip : skip + size]], "next_cursor": more}


def answer(*ids: int, cursor: str | None) -> dict[str, Any]:
    return {"data": [{"id": number} for number in ids], "next_cursor": cursor}


def list_of(client: Any, **options: int) -> ContactList:
    return ContactList(client, ContactDecoder(fields_asked(options), RepairLog()), options)


def paginator_of(
    client: Client, inspect: Callable[..., None] | None = None, **options: int
) -> CursorPaginator:
    columns = OptionalColumns(fields_asked(options), "The list")
    return CursorPaginator(
        list_of(client, **options), columns, page_size=PAGE_SIZE, inspect=inspect or mock.Mock()
    )


def read(paginator: CursorPaginator, window: Window, **first: Any) -> list[int]:
    return [c.id for contacts in paginator.read(window, **first) for c in contacts]


# One page.


def test_a_page_is_asked_for_with_its_options_and_a_cursor_when_there_is_one() -> None:
    client = Client()
    contacts = list_of(client, include_comet_tokens=1)

    contacts.page(DAY, per_page=7)
    contacts.page(DAY, per_page=7, cursor="3", advisory=True)

    asked = {"per_page": 7, "include_comet_tokens": 1}
    assert client.calls == [(DAY, asked, False), (DAY, {**asked, "cursor": "3"}, True)]


def test_an_advisory_page_request_returns_none_on_failure() -> None:
    client = Client([0.5])
    client.script.extend([REJECTED, SILENT])
    contacts = list_of(client)

    assert contacts.advice(DAY, per_page=1) is None
    assert contacts.advice(DAY, per_page=1) is None
    assert contacts.advice(DAY, per_page=1) == contacts.page(DAY, per_page=1)
    assert [call.advisory for call in client.calls] == [True, True, True, False]


def test_an_advisory_page_request_still_raises_on_a_wrong_key() -> None:
    client = Client()
    client.script.append(AccessError("The key is wrong", "Check it."))

    with pytest.raises(AccessError):
        list_of(client).advice(DAY, per_page=1)


@pytest.mark.parametrize(("at_most", "per_page"), [(None, 3), (2, 2), (9, 3)])
def test_a_first_page_holds_no_more_than_will_do(at_most: int | None, per_page: int) -> None:
    client = Client([0.1, 0.2, 0.3, 0.4])

    page = paginator_of(client).first_page(DAY, at_most=at_most)

    assert len(page.contacts) == per_page


# Along the cursor.


def test_a_window_is_read_page_by_page_until_no_cursor_follows() -> None:
    client, inspect = Client([0.1, 0.2, 0.3, 0.4, 0.5]), mock.Mock()

    assert read(paginator_of(client, inspect), DAY) == [500, 400, 300, 200, 100]

    assert [call.query.get("cursor") for call in client.calls] == [None, "3"]
    assert [(len(call.args[0]), call.args[1]) for call in inspect.mock_calls] == [
        (3, DAY),
        (2, DAY),
    ]


def test_a_first_page_that_has_been_read_is_not_asked_for_again() -> None:
    client = Client([0.1, 0.2, 0.3, 0.4])
    paginator = paginator_of(client)
    first = paginator.first_page(DAY)

    assert read(paginator, DAY, first=first) == [400, 300, 200, 100]
    assert len(client.calls) == 2


def test_an_empty_or_short_page_with_a_cursor_is_not_the_last() -> None:
    client = Client()
    client.script.extend([answer(cursor="a"), answer(7, cursor="b"), answer(5, cursor=None)])

    assert read(paginator_of(client), DAY) == [7, 5]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_cursor_that_comes_again_is_an_error(cursors: list[str]) -> None:
    client = Client()
    client.script.extend(answer(1, cursor=cursor) for cursor in cursors)

    with pytest.raises(ApiError, match="does not move on"):
        read(paginator_of(client), DAY)
    assert len(client.calls) == len(cursors)


def test_empty_pages_without_an_end_are_an_error() -> None:
    client = Client()
    client.script.extend(answer(cursor=str(number)) for number in range(200))

    with pytest.raises(ApiError, match="does not move on"):
        read(paginator_of(client), DAY)
    assert len(client.calls) == 101


def test_a_refused_cursor_has_the_window_read_again_from_its_start(logged: Logged) -> None:
    client = Client([0.1, 0.2, 0.3, 0.4])
    client.script.extend([None, REJECTED])

    assert read(paginator_of(client), DAY) == [400, 300, 200, 400, 300, 200, 100]
    assert logged() == [f"The cursor was refused; reading {DAY} from its start again"]


def test_a_cursor_that_is_refused_twice_is_an_error() -> None:
    client = Client([0.1, 0.2, 0.3, 0.4])
    client.script.extend([None, REJECTED, None, REJECTED])

    with pytest.raises(RejectedError):
        read(paginator_of(client), DAY)


def test_a_column_that_was_asked_for_and_is_missing_is_an_error() -> None:
    with pytest.raises(ColumnError, match="include_all_emails"):
        read(paginator_of(Client([0.5]), include_all_emails=1), DAY)


# Windows that are too long for the list.


@pytest.mark.parametrize("refuses", [REJECTED, SLOW], ids=["refused", "too slow"])
def test_a_window_that_is_too_long_for_the_list_is_read_in_parts(refuses: TapError) -> None:
    days = [float(day) for day in range(0, 366, 7)]
    client = Client(days, longest=31 * 86_400, refuses=refuses)

    found = read(paginator_of(client), YEAR)

    assert sorted(set(found)) == [day * 1_000 for day in range(0, 366, 7)]


def test_the_length_that_the_list_serves_is_found_by_halving_and_remembered() -> None:
    client = Client(longest=31 * 86_400)
    paginator = paginator_of(client)

    read(paginator, YEAR)
    read(paginator, Window(YEAR.end, YEAR.end + timedelta(days=366)))

    refused = [call for call in client.calls if call.window.seconds > 31 * 86_400]
    served = [call.window for call in client.calls if call not in refused]
    assert len(refused) == 4  # 366, 183, 91 and 45 days
    assert len(served) == 2 * 16
    assert all(one.end == following.start for one, following in itertools.pairwise(served))
    assert (served[0].start, served[-1].end) == (YEAR.start, YEAR.end + timedelta(days=366))


@given(
    st.lists(st.floats(0, 400), max_size=20, unique_by=lambda day: round(day * 1_000)),
    st.floats(1, 400),
)
def test_whatever_length_the_list_serves_no_contact_is_lost(days: list[float], most: float) -> None:
    client = Client(days, longest=most * 86_400)
    whole = Window(START, START + timedelta(days=400))

    found = read(paginator_of(client), whole)

    assert set(found) == {round(day * 1_000) for day in days}


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


def test_a_window_that_is_refused_though_it_is_short_is_an_error() -> None:
    with pytest.raises(RejectedError):
        read(paginator_of(Client(longest=SURELY_SERVED - 1)), DAY)


def test_a_list_that_is_too_slow_is_asked_for_a_day_before_its_length_is_blamed() -> None:
    client = Client(longest=0, refuses=SLOW)

    with pytest.raises(TooSlowError):
        read(paginator_of(client), YEAR)

    assert [call.window.seconds for call in client.calls] == [YEAR.seconds, SURELY_SERVED]


def test_a_list_that_does_not_answer_is_no_reason_for_parts() -> None:
    client = Client(longest=0, refuses=SILENT)

    with pytest.raises(UnavailableError):
        read(paginator_of(client), YEAR)

    assert [call.window for call in client.calls] == [YEAR]


def test_the_length_that_is_served_is_known_to_all_who_ask_the_list() -> None:
    client: Any = Client(longest=31 * 86_400)
    length = ServedLength()
    decoder = ContactDecoder(fields_asked(()), RepairLog())
    with pytest.raises(TooLongError, match="The range is too long"):
        ContactList(client, decoder, {}, length).first_page(YEAR, per_page=1)
    columns = OptionalColumns([], "The list")
    paginator = CursorPaginator(
        ContactList(client, decoder, {}, length), columns, page_size=1, inspect=mock.Mock()
    )
    client.calls.clear()

    read(paginator, YEAR)

    assert client.calls[0].window.seconds == YEAR.seconds // 2
