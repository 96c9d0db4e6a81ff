"""The contacts of a range at one moment, by id."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from tests.sandbox.invented import invent

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from tests.sandbox.contact import Contact
    from tests.sandbox.partial import Keeps


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
