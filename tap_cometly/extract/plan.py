"""Where windows should end, going by estimates, and what has to be known before one can be cut."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from tap_cometly.extract.survey import Estimate, Ground, Second

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CLOSE = 0.06  # of the aim: the edge of a tile that is so near to it will do
_SMALL = 0.6  # of the target: a tile in which a window may end unseen
_LIMIT = 1.95  # times the target: what a window may hold at the worst if it has to be cut unseen
_SPILL = 0.2  # of the target: what the last windows share rather than leave to one more
_STRETCH = 0.025  # of the target: what each of many windows may hold more for the same reason
_SURPRISE = 1.5  # times what was foretold


class Step(NamedTuple):
    """A window's end, or what has to be known before one can be placed.

    Attributes:
        at: The end, as far as is known.
        contacts: How many contacts lie between the step before and this one.
        probe: The tile that has to be probed first.
        evenly: Whether `at` is no better a place to probe it than any other.
    """

    at: Second
    contacts: float
    probe: Estimate | None = None
    evenly: bool = False


def steps(
    estimates: Sequence[Estimate], target: int, *, patient: bool, hurried: bool
) -> Iterator[Step]:
    """All steps from the front to the end of the range; at least one.

    Args:
        estimates: What the tiles hold, without holes.
        target: How many contacts a window should hold.
        patient: Whether to wait for probes, or to cut as well as can be.
        hurried: Whether to do without probes where no window can get much too large for it.
    """
    aim = _aim(estimates, target)
    held, lost = 0.0, False
    for estimate in estimates:
        if patient and _is_vague(estimate, target):
            yield Step(estimate.tile.end, estimate.contacts, estimate, evenly=True)
            lost = True  # nobody knows where the windows behind it would end
        if lost:
            continue
        left = estimate.contacts
        unseen = _LIMIT * target - held if hurried else _SMALL * target
        while held + left > aim * (1 + _CLOSE):
            if estimate.tile.seconds == 1:
                if held and held + left - aim > aim - held:
                    yield Step(estimate.tile.start, held)
                    held = 0.0
                break
            small = not patient or estimate.contacts <= unseen
            if hurried and not small and held >= _SMALL * aim:
                yield Step(estimate.tile.start, held)  # rather a smaller window than none for now
                held, unseen = 0.0, _LIMIT * target
                continue
            left -= aim - held
            held = 0.0
            lump = not small and _is_lump(estimate)
            yield Step(_place(estimate, left), aim, None if small else estimate, evenly=lump)
            lost = lost or lump
        held += left
        if held >= aim * (1 - _CLOSE):
            yield Step(estimate.tile.end, held)
            held = 0.0
    yield Step(estimates[-1].tile.end, held)


def _aim(estimates: Sequence[Estimate], target: int) -> float:
    """What each window should hold for none of the last ones to be a small one."""
    if any(_is_vague(estimate, target) for estimate in estimates):
        return target
    contacts = sum(estimate.contacts for estimate in estimates)
    fewest = contacts / target
    windows = ceil(fewest - max(_SPILL, _STRETCH * fewest))
    return contacts / windows if windows > 1 else inf


def _is_vague(estimate: Estimate, target: int) -> bool:
    """Whether a tile may hold anything."""
    if estimate.ground is Ground.BOUND:
        return estimate.contacts > target and estimate.tile.seconds > 1
    return estimate.ground in {Ground.NOTHING, Ground.CONTRADICTION}


def _is_lump(estimate: Estimate) -> bool:
    """Whether a tile holds so much more than foretold that it cannot be evenly spread."""
    foretold = estimate.tile.foretold
    return foretold is not None and estimate.contacts > _SURPRISE * foretold


def _place(estimate: Estimate, left: float) -> Second:
    """Where a tile has but so many contacts left, if they are evenly spread."""
    tile = estimate.tile
    place = tile.end - round(tile.seconds * left / estimate.contacts)
    return min(max(place, tile.start + 1), tile.end - 1)
