"""Exports that say `completed` and lack contacts: values of `Options.export_keeps`.

Each is given the ids of a job in ascending order, which is from the oldest on but for imports, and
answers those that its file holds. A test's own may look at the ids and spare all jobs but one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import TypeAlias

Keeps: TypeAlias = Callable[[Sequence[int]], Collection[int]]


def oldest(share: float) -> Keeps:
    """The file ends early where it begins with the oldest."""
    return lambda ids: ids[: int(len(ids) * share)]


def newest(share: float) -> Keeps:
    """The file ends early where it begins with the newest."""
    return lambda ids: ids[len(ids) - int(len(ids) * share) :]


def hole(first: float, last: float) -> Keeps:
    """All but those between two shares of them."""
    return lambda ids: [*ids[: int(len(ids) * first)], *ids[int(len(ids) * last) :]]


def scattered(share: float, seed: int = 0) -> Keeps:
    """Any of them, the same ones each time."""

    def keep(ids: Sequence[int]) -> Collection[int]:
        draw = Random(seed).random  # noqa: S311 - reproducible, not secret
        return [contact_id for contact_id in ids if draw() < share]

    return keep


def without(*lost: int) -> Keeps:
    """All but these."""
    return lambda ids: [contact_id for contact_id in ids if contact_id not in lost]


def one_row(ids: Sequence[int]) -> Collection[int]:
    return ids[:1]


def nothing(_ids: Sequence[int]) -> Collection[int]:
    return ()
