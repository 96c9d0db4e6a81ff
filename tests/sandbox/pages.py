"""The list: a window, page by page; and parameters, checked and refused in Laravel's words."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from tests.sandbox.answer import Answer, Refusal, html_answer, json_answer
from tests.sandbox.contact import Columns
from tests.sandbox.wall_time import EPOCH, SECOND, parse, to_instant, wall_filter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.sandbox.contact import Contact
    from tests.sandbox.options import Options
    from tests.sandbox.sandbox import Sandbox
    from tests.sandbox.space import Selection
    from tests.sandbox.wall_time import Microseconds

_EVER = (-(1 << 62), 1 << 62)
DEFAULT_PER_PAGE = 200
MAX_PER_PAGE = 5000

_TRUE: tuple[object, ...] = (True, 1, "1")
_MISSING: tuple[object, ...] = (None, "")
_FALSE: tuple[object, ...] = (False, 0, "0", *_MISSING)
_NO_TIME = EPOCH.replace(tzinfo=None)


class Window(NamedTuple):
    """The Space's wall time, from and to."""

    start: datetime
    end: datetime


class Parameters:
    """Reads one parameter after the other; `check` refuses when any was wrong."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self._errors: dict[str, list[str]] = defaultdict(list)

    def window(self) -> Window:
        start, end = self._wall_time("start_date"), self._wall_time("end_date")
        if not self._errors and end <= start:
            self.refuse("end_date", "must be a date after start date.")
        return Window(start, end)

    def flag(self, name: str) -> bool:
        value = self._given.get(name)
        if value not in _TRUE + _FALSE:
            self.refuse(name, "must be true or false.")
        return value in _TRUE

    def per_page(self) -> int:
        text = self._given.get("per_page") or str(DEFAULT_PER_PAGE)
        try:
            number = int(str(text))
        except ValueError:
            self.refuse("per_page", "must be an integer.")
            return DEFAULT_PER_PAGE
        if number < 1:
            self.refuse("per_page", "must be at least 1.")
        if number > MAX_PER_PAGE:
            self.refuse("per_page", f"must not be greater than {MAX_PER_PAGE}.")
        return number

    def refuse(self, name: str, complaint: str) -> None:
        self._errors[name].append(f"The {name.replace('_', ' ')} field {complaint}")

    def check(self) -> None:
        messages = [message for group in self._errors.values() for message in group]
        if not messages:
            return
        more = len(messages) - 1
        summary = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
        raise Refusal(422, messages[0] + summary, errors=dict(self._errors))

    def _wall_time(self, name: str) -> datetime:
        value = self._given.get(name)
        wall_time = parse(value) if isinstance(value, str) else None
        if value in _MISSING:
            self.refuse(name, "is required.")
        elif wall_time is None:
            self.refuse(name, "must match the format Y-m-d H:i:s.")
        return wall_time or _NO_TIME


@dataclass(frozen=True)
class Cursor:
    """Where a page begins; Laravel's is base64 of JSON, opaque to clients."""

    id: int
    forward: bool = True

    def encode(self) -> str:
        text = json.dumps({"id": self.id, "_pointsToNextItems": self.forward})
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor | None:
        """None for what is no cursor: Laravel then serves the first page."""
        try:
            parts = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(int(parts["id"]), bool(parts["_pointsToNextItems"]))
        except (ValueError, KeyError, TypeError):
            return None


class Page(NamedTuple):
    """Contacts, newest first, and where the neighbours begin."""

    contacts: list[Contact]
    next: Cursor | None
    previous: Cursor | None


def answer_list(sandbox: Sandbox, query: Mapping[str, str], url: str) -> Answer:
    """Serve one page; `url` is the endpoint's own."""
    options = sandbox.options
    window, per_page, columns = _read(query, options)
    refuse_future(sandbox, window, "list")
    _refuse_long_range(window, options)
    if _is_longer(window, options.slow_list_days):
        return html_answer(504, "504 Gateway Time-out")
    cursor = Cursor.decode(query.get("cursor", ""))
    with sandbox.space.lock:
        start, end = _EVER if options.ignore_dates else span(window, options)
        passes = wall_filter(start, end, options)
        selection = sandbox.space.select(start, end, lag=options.list_lag, passes=passes)
        page = _page(selection, per_page, cursor)
    payload = _payload(page, per_page, columns, url, query)
    return json_answer(200, payload, rows=len(page.contacts), escaped=options.unicode_escaped)


def span(window: Window, options: Options) -> tuple[Microseconds, Microseconds]:
    """The window's first instant, and the first one behind it."""
    end = to_instant(window.end, options, is_end=True)
    return to_instant(window.start, options), end + 1 if options.end_inclusive else end


def _read(query: Mapping[str, str], options: Options) -> tuple[Window, int, Columns]:
    parameters = Parameters(query)
    window = parameters.window()
    per_page = parameters.per_page()
    tokens = parameters.flag("include_comet_tokens")
    emails = options.list_emails and parameters.flag("include_all_emails")
    custom = options.list_custom_fields and parameters.flag("include_custom_fields")
    parameters.check()
    columns = Columns(options.created_at, tokens, emails, custom, options.custom_numbers_as_strings)
    return window, min(per_page, options.page_cap or per_page), columns


def refuse_future(sandbox: Sandbox, window: Window, endpoint: str) -> None:
    """Raise `Refusal` when the window ends later than now, where that is not allowed."""
    options, now = sandbox.options, sandbox.now()
    if endpoint in options.refuses_future and to_instant(window.end, options) > now * SECOND:
        message = "The end date field must be a date before or equal to now."
        raise Refusal(422, message, errors={"end_date": [message]})


def _refuse_long_range(window: Window, options: Options) -> None:
    if _is_longer(window, options.max_list_days):
        message = f"The date range must not be longer than {options.max_list_days:g} days."
        raise Refusal(422, message, errors={"end_date": [message]})


def _is_longer(window: Window, days: float | None) -> bool:
    return days is not None and (window.end - window.start).total_seconds() > days * 86400


def _page(selection: Selection, per_page: int, cursor: Cursor | None) -> Page:
    if cursor and not cursor.forward:
        found = list(islice(selection.oldest_first(above=cursor.id), per_page + 1))
        contacts = found[:per_page][::-1]
        newer = contacts[:1] if len(found) > per_page else []
        return Page(contacts, _cursor(contacts[-1:]), _cursor(newer, forward=False))
    below = cursor.id if cursor else None
    found = list(islice(selection.newest_first(below=below), per_page + 1))
    contacts = found[:per_page]
    older = contacts[-1:] if len(found) > per_page else []
    return Page(contacts, _cursor(older), _cursor(contacts[:1] if cursor else [], forward=False))


def _cursor(edge: list[Contact], *, forward: bool = True) -> Cursor | None:
    return Cursor(edge[0].id, forward) if edge else None


def _payload(
    page: Page, per_page: int, columns: Columns, url: str, query: Mapping[str, str]
) -> dict[str, Any]:
    def link(cursor: Cursor | None) -> str | None:
        return f"{url}?{urlencode({**query, 'cursor': cursor.encode()})}" if cursor else None

    return {
        "data": [columns.row(contact) for contact in page.contacts],
        "path": url,
        "per_page": per_page,
        "next_cursor": page.next.encode() if page.next else None,
        "next_page_url": link(page.next),
        "prev_cursor": page.previous.encode() if page.previous else None,
        "prev_page_url": link(page.previous),
    }
