"""Parameters, checked in Laravel's order and refused in Laravel's words."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tests.sandbox.answer import Refusal
from tests.sandbox.wall_time import EPOCH, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

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
