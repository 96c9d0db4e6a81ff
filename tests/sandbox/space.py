"""The contacts of one Space, added, changed and merged while it is read."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.sandbox.contact import Contact
from tests.sandbox.invented import PRIMARY, invent
from tests.sandbox.shapes import Shape, creation_times
from tests.sandbox.wall_time import SECOND, Microseconds, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from tests.sandbox.partial import Keeps

_EVER = (-(1 << 62), 1 << 62)
_OTHERS: dict[str, Callable[[Any], Any]] = {
    "emails": tuple,
    "comet_tokens": tuple,
    "profile_fields": dict,
}
"""Values besides the primary ones, and what a contact keeps them as."""


class Run(NamedTuple):
    """Contacts of consecutive ids, created one after the other."""

    first_id: int
    created: array[int]
    seed: int


class Slice(NamedTuple):
    """A run's contacts of these ids."""

    run: Run
    ids: range


class Selection:
    """Slices in ascending order of id, less the absent ones."""

    def __init__(
        self, slices: list[Slice], known: Mapping[int, Contact], absent: AbstractSet[int]
    ) -> None:
        self._slices = slices
        self._known = known
        self._absent = absent

    def count(self) -> int:
        served = sum(len(piece.ids) for piece in self._slices)
        return served - sum(1 for contact_id in self._absent if self._slice_of(contact_id))

    def newest_first(self, below: int | None = None) -> Iterator[Contact]:
        """By id, from the highest down; only those under `below`."""
        for run, ids in reversed(self._slices):
            stop = ids.stop if below is None else min(ids.stop, below)
            yield from self._contacts(run, range(stop - 1, ids.start - 1, -1))

    def oldest_first(self, above: int = -1) -> Iterator[Contact]:
        for run, ids in self._slices:
            yield from self._contacts(run, range(max(ids.start, above + 1), ids.stop))

    def ids(self) -> set[int]:
        return set().union(*(piece.ids for piece in self._slices)) - self._absent

    def keeping(self, keeps: Keeps) -> Selection:
        """Those of them that are kept."""
        ids = sorted(self.ids())
        lost = set(ids).difference(keeps(ids))
        return Selection(self._slices, self._known, self._absent | lost)

    def created(self, passes: Callable[[int], bool]) -> Selection:
        """Those of them whose time of creation passes."""
        lost = {contact.id for contact in self.oldest_first() if not passes(contact.created)}
        return Selection(self._slices, self._known, self._absent | lost)

    def get(self, contact_id: int) -> Contact | None:
        piece = self._slice_of(contact_id)
        if piece is None:
            return None
        return next(self._contacts(piece.run, (contact_id,)), None)

    def _contacts(self, run: Run, ids: Iterable[int]) -> Iterator[Contact]:
        known, absent = self._known, self._absent
        for contact_id in ids:
            if contact_id in absent:
                continue
            contact = known.get(contact_id)
            if contact is None:
                created = run.created[contact_id - run.first_id]
                contact = invent(run.seed, contact_id, created)
            yield contact

    def _slice_of(self, contact_id: int) -> Slice | None:
        index = bisect_right(self._slices, contact_id, key=lambda piece: piece.ids.start) - 1
        if index >= 0 and contact_id in self._slices[index].ids:
            return self._slices[index]
        return None


class Space:
    """Runs of contacts in ascending order of id; each run is in order of creation, too."""

    def __init__(self, now: Callable[[], float], visible_after: Callable[[], float]) -> None:
        self.lock = RLock()
        self.before_change: Callable[[], None] = lambda: None
        self._now = now
        self._visible_after = visible_after
        self._runs: list[Run] = []
        self._known: dict[int, Contact] = {}
        self._merged: set[int] = set()
        self._hidden_until: dict[int, Microseconds] = {}

    def add(
        self,
        *,
        created_at: datetime,
        id: int | None = None,  # noqa: A002 - it is the contact's `id`
        visible_at: datetime | None = None,
        **fields: Any,
    ) -> int:
        """Add one contact; answers its id.

        Primary values that are not given are null; `emails` is the primary one unless given.
        `comet_tokens` come newest first, `profile_fields` by their numbers.
        """
        with self.lock:
            self.before_change()
            contact_id = self._next_id() if id is None else id
            blank = Contact(contact_id, instant(created_at), dict.fromkeys(PRIMARY))
            emails = [fields["email"]] if fields.get("email") else []
            contact = _changed(blank, {"emails": emails, **fields})
            self._append(contact_id, contact.created)
            self._known[contact_id] = contact
            if visible_at is not None:
                self._hidden_until[contact_id] = instant(visible_at)
            return contact_id

    def fill(
        self, count: int, start: datetime, end: datetime, seed: int = 0, shape: Shape = "flat"
    ) -> range:
        """Invent many contacts in [start, end), oldest first under new ids; answers the ids.

        A second call for an earlier range plays an import: old dates under new ids.
        """
        times = creation_times(count, instant(start), instant(end), seed, shape)
        with self.lock:
            self.before_change()
            first = self._next_id()
            if count:
                self._runs.append(Run(first, array("q", times), seed))
            return range(first, first + count)

    def change(self, contact_id: int, **fields: Any) -> None:
        """Replace some values of a contact, named as in `add`."""
        with self.lock:
            self.before_change()
            self._known[contact_id] = _changed(self.contact(contact_id), fields)

    def merge(self, loser_id: int, *, into: int) -> None:
        """From now on only the winner is served, with the e-mails and tokens of both."""
        with self.lock:
            self.before_change()
            loser, winner = self.contact(loser_id), self.contact(into)
            self._known[into] = winner._replace(
                emails=tuple(dict.fromkeys(winner.emails + loser.emails)),
                comet_tokens=winner.comet_tokens + loser.comet_tokens,
            )
            self._merged.add(loser_id)

    def contact(self, contact_id: int) -> Contact:
        """The contact, visible yet or not; KeyError when there is none or it was merged away."""
        with self.lock:
            whole = Selection(self._slices([_EVER]), self._known, self._merged)
            contact = whole.get(contact_id)
        if contact is None:
            raise KeyError(contact_id)
        return contact

    def ids(self, start: datetime | None = None, end: datetime | None = None) -> set[int]:
        """Ids of those that would be served now, created in [start, end)."""
        first = _EVER[0] if start is None else instant(start)
        return self.select(first, _EVER[1] if end is None else instant(end)).ids()

    def select(
        self,
        start: Microseconds,
        end: Microseconds,
        *,
        at: float | None = None,
        lag: float = 0.0,
        passes: Callable[[Microseconds], bool] | None = None,
    ) -> Selection:
        """Take down those created in [start, end) that are visible now, or at that time.

        A replica shows each of them `lag` seconds later; changes and merges it shows at once.
        """
        now = int((self._now() if at is None else at) * SECOND)
        behind = int(lag * SECOND)
        delay = int(self._visible_after() * SECOND) + behind
        with self.lock:
            slices = self._slices(self._visible_spans(start, end, now, delay))
            hidden = {key for key, until in self._hidden_until.items() if now - behind < until}
            selection = Selection(slices, self._known.copy(), self._merged | hidden)
            return selection.created(passes) if passes else selection

    @staticmethod
    def _visible_spans(
        start: Microseconds, end: Microseconds, now: Microseconds, delay: Microseconds
    ) -> list[tuple[Microseconds, Microseconds]]:
        if not delay:
            return [(start, end)]
        return [(start, min(end, now - delay + 1)), (max(start, now + 1), end)]

    def _slices(self, spans: list[tuple[Microseconds, Microseconds]]) -> list[Slice]:
        slices = []
        for run in self._runs:
            for start, end in spans:
                low, high = bisect_left(run.created, start), bisect_left(run.created, end)
                if low < high:
                    slices.append(Slice(run, range(run.first_id + low, run.first_id + high)))
        return slices

    def _append(self, contact_id: int, created: Microseconds) -> None:
        index = bisect_right(self._runs, contact_id, key=lambda run: run.first_id)
        before = self._runs[index - 1] if index else None
        if before and contact_id < before.first_id + len(before.created):
            message = f"there is a contact {contact_id} already"
            raise ValueError(message)
        follows = before and contact_id == before.first_id + len(before.created)
        if before and follows and created >= before.created[-1]:
            before.created.append(created)
        else:
            self._runs.insert(index, Run(contact_id, array("q", [created]), seed=0))

    def _next_id(self) -> int:
        if not self._runs:
            return 1
        return self._runs[-1].first_id + len(self._runs[-1].created)


def _changed(contact: Contact, fields: Mapping[str, Any]) -> Contact:
    unknown = fields.keys() - PRIMARY.keys() - _OTHERS.keys()
    if unknown:
        message = f"a contact has no {', '.join(sorted(unknown))}"
        raise TypeError(message)
    primary = {name: fields.get(name, value) for name, value in contact.primary.items()}
    others = {name: make(fields[name]) for name, make in _OTHERS.items() if name in fields}
    return contact._replace(primary=primary, **others)
