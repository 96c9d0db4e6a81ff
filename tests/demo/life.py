"""What happens in a Space between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sandbox.space import Space

LOOKBACK_DAYS = 7

ADDED = 40
COMPLETED = 25
MERGED = 10


@dataclass(frozen=True)
class Changes:
    """Ids of the contacts that something happened to."""

    added: set[int]
    completed: set[int]
    merged: dict[int, int]
    """Who was merged away, and into whom."""


def life_goes_on(space: Space) -> Changes:
    """New contacts come; some that are known are completed, others merged."""
    known = _known_by_email(space, COMPLETED + 2 * MERGED)
    completed, losers, winners = known[:COMPLETED], known[COMPLETED:-MERGED], known[-MERGED:]
    for contact_id in completed:
        space.change(contact_id, name="Completed Later", phone="+15550100")
    for loser, winner in zip(losers, winners, strict=True):
        space.merge(loser, into=winner)
    return Changes(
        {_newcomer(space, number) for number in range(ADDED)},
        set(completed),
        dict(zip(losers, winners, strict=True)),
    )


def _known_by_email(space: Space, count: int) -> list[int]:
    now = datetime.now(timezone.utc)
    recent = space.ids(now - timedelta(days=LOOKBACK_DAYS - 1), now - timedelta(hours=1))
    return [contact_id for contact_id in sorted(recent) if space.contact(contact_id).email][:count]


def _newcomer(space: Space, number: int) -> int:
    return space.add(
        created_at=datetime.now(timezone.utc),
        email=f"newcomer.{number}@example.com",
        name=f"Newcomer {number}",
    )
