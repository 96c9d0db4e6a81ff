"""Spaces of any zone, settings of any zone, through changes of the clock: nothing is ever lost.

Each sequence of runs is drawn from a seed: zones, readings of the API, how often contacts come,
how often the tap runs, and what happens between two runs. `Life(seed).live()` repeats one.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.exceptions import TimezoneError
from tests.support.zoned_space import UTC, WIDEST, Runs, Space, small_windows
from tests.support.zones import changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTLE = 60
_ANY = datetime(2024, 2, 3, 4, 5, tzinfo=UTC)

ZONES = (
    "UTC",
    "Africa/Casablanca",  # an hour back for Ramadan
    "Africa/Lagos",
    "America/Denver",
    "America/Havana",  # an hour before New York's change
    "America/Los_Angeles",
    "America/New_York",
    "America/Nuuk",
    "America/Phoenix",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",  # two hours back
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Eucla",
    "Australia/Lord_Howe",  # half an hour back
    "Australia/Sydney",
    "Etc/GMT+12",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)
EQUAL_FOR_PART_OF_THE_YEAR = (
    ("Europe/London", "UTC"),
    ("Europe/London", "Africa/Lagos"),
    ("America/Denver", "America/Phoenix"),
    ("America/Los_Angeles", "America/Phoenix"),
    ("America/Havana", "America/New_York"),
    ("Africa/Casablanca", "Europe/London"),
    ("Asia/Kathmandu", "Asia/Kolkata"),
    ("Australia/Lord_Howe", "Australia/Sydney"),
    ("Antarctica/Troll", "UTC"),
)


def two_zones(random: Random) -> tuple[str, str]:
    """Draw the Space's zone and the setting."""
    kind = random.random()
    if kind < 0.2:
        return (random.choice(ZONES),) * 2
    if kind < 0.8:
        pair = random.choice(EQUAL_FOR_PART_OF_THE_YEAR)
        return pair if random.random() < 0.5 else pair[::-1]
    return random.choice(ZONES), random.choice(ZONES)


def arrivals(random: Random, first: datetime, last: datetime) -> Iterator[datetime]:
    """Draw when contacts are created: every few minutes, every few hours, by spells."""
    at, spell_ends, gap = first, first, 4 * MINUTE
    while True:
        yield at
        if at >= spell_ends:
            busy = [4 * MINUTE, 4 * MINUTE, 25 * MINUTE] if at < last else []
            gap = random.choice([*busy, 3 * HOUR, 20 * HOUR])
            spell_ends = at + random.choice([3 * HOUR, 9 * HOUR])
        at += random.choice([gap, gap, timedelta(seconds=1) + gap * (2 * random.random())])


def runs_at(random: Random, change: datetime, last: datetime) -> Iterator[datetime]:
    """Draw when the tap runs: mostly every so often, in places hours or days apart."""
    step = random.choice([15 * MINUTE, 30 * MINUTE, 30 * MINUTE, HOUR, HOUR, HOUR, 3 * HOUR, DAY])
    at = change - step * random.randint(1, 8)
    at += random.choice([timedelta(), SETTLE * timedelta(seconds=1), random.random() * step])
    for _ in range(20):
        if at >= last:
            return
        yield at
        at += step if random.random() < 0.9 else random.choice([5 * MINUTE, 2 * HOUR, DAY, 3 * DAY])


class Life:
    """A Space and a tap, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)  # noqa: S311, not for secrets
        zone, self.setting = two_zones(random)
        self.change = random.choice([*changes(zone), *changes(self.setting)] or [_ANY])
        self.first = self.change - random.choice([2 * DAY, 9 * DAY])
        self.last = self.change + random.choice([6 * HOUR, 3 * DAY, 6 * DAY])
        self.space = Space(
            zone,
            reading=random.choice(["first", "second", "wall"]),
            end_inclusive=random.random() < 0.5,
            dated=random.random() < 0.3,
            refuses_future=random.random() < 0.1,
            visible_after=timedelta(seconds=random.choice([0, 0, 20, SETTLE])),
        )
        self.mode = random.choice(["auto", "pagination"])
        self.start_date = self._start_date()
        machine = random.choice([timedelta()] * 4 + [3 * MINUTE, -3 * MINUTE, -HOUR])
        self.runs = Runs(self.space, self.first, machine)
        self.machine = machine
        self.coming = arrivals(random, self.first, self.last)
        self.due = next(self.coming)
        self.call_takes = random.choice([timedelta()] * 6 + [MINUTE, 10 * MINUTE])
        self.runs.before_call = lambda: self._pass(self.call_takes)
        self.zones = {zone}
        self.story: list[str] = [
            f"{zone} set as {self.setting}, {self.space}, {machine}, {self.call_takes} a call"
        ]

    def _start_date(self) -> str:
        begin = self.first + self.random.choice([-DAY, timedelta(), DAY])
        if self.random.random() < 0.5:
            return begin.isoformat()
        return begin.replace(tzinfo=None).isoformat()

    def wanted(self) -> datetime:
        """The instant from which on contacts must have been read."""
        start = datetime.fromisoformat(self.start_date)
        if start.tzinfo:
            return start
        meant = (start.replace(tzinfo=ZoneInfo(z), fold=1) for z in self.zones)
        return max(each.astimezone(timezone.utc) for each in meant) + 2 * HOUR

    def live(self) -> None:
        """Let contacts come and the tap run, and see whether any contact is lost."""
        mend, steady = self.random.random() < 0.6, self.random.random() < 0.4
        for at in runs_at(self.random, self.change, self.last):
            if not steady:
                self._happens()
            self._run(at)
        if mend:
            self._correct()
        self._run(max(self.runs.clock.now(), self.last) + 2 * DAY)

    def _happens(self) -> None:
        what = self.random.random()
        if what < 0.04:
            self._correct()
        elif what < 0.08:
            self.setting = self.random.choice(ZONES)
            self.story.append(f"set as {self.setting}")
        elif what < 0.11:
            zone = self.random.choice([self.setting, self.random.choice(ZONES)])
            self.space.zone = zone
            self.zones.add(zone)
            self.story.append(f"the Space's zone is {zone}")

    def _correct(self) -> None:
        self.setting = self.space.zone
        self.story.append(f"corrected to {self.setting}")

    def _pass(self, by: timedelta) -> None:
        self.runs.clock.advance(by)
        while self.due <= self.runs.clock.now():
            self.space.created.append(self.due)
            self.due = next(self.coming)

    def _run(self, at: datetime) -> None:
        self._pass(max(at - self.runs.clock.now(), timedelta()))
        windows = self.random.choice([None] * 8 + [0, 1, 2, 5])
        config: dict[str, Any] = {
            "timezone": self.setting,
            "start_date": self.start_date,
            "extraction_mode": "pagination" if self.space.refuses_future else self.mode,
            "page_size": self.random.choice([30, 5000]),
            "settle_seconds": SETTLE,
        }
        done = self.runs.run(config, windows=windows)
        now = self.runs.clock.now()
        self.story.append(
            f"{now:%m-%d %H:%M:%S}: {len(done.ids)} of {len(self.space.created)}, "
            f"{self.runs.stored}, killed after {windows}, {done.error}"
        )
        right = self.setting == self.space.zone
        if done.error is not None:
            assert not right, self.told("a right setting is accused")
            assert isinstance(done.error, TimezoneError) or self.space.refuses_future, self.told("")
        elif windows is None:
            late = 2 * HOUR if self.space.refuses_future else timedelta()  # an hour occurs twice
            until = done.ended - late if right else done.ended - WIDEST
            since = self.wanted()
            lost = [
                f"{created:%m-%d %H:%M:%S}"
                for number, created in enumerate(self.space.created)
                if since <= created < until and number not in self.runs.got
            ]
            assert not lost, self.told(f"lost {lost}")

    def told(self, what: str) -> str:
        return "\n".join([what, *self.story])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_nothing_is_lost_under_any_zone(part: int) -> None:
    for seed in range(45 * part, 45 * (part + 1)):
        with small_windows(20 if seed % 4 == 0 else 1_000):
            Life(seed).live()


@pytest.mark.parametrize("is_dated", [True, False], ids=["dated", "undated"])
@pytest.mark.parametrize("days", [1, 40])
@pytest.mark.parametrize("minutes", [-61, -5, 1, 4, 9, 20])
@pytest.mark.parametrize(
    ("space", "setting", "change"),
    [
        ("America/Havana", "America/New_York", datetime(2024, 11, 3, 5, tzinfo=UTC)),
        ("America/New_York", "America/Havana", datetime(2024, 3, 10, 5, tzinfo=UTC)),
        ("Australia/Lord_Howe", "Australia/Sydney", datetime(2024, 4, 6, 15, tzinfo=UTC)),
        ("Africa/Casablanca", "Africa/Lagos", datetime(2024, 3, 10, 2, tzinfo=UTC)),  # 35 days
    ],
)
def test_an_hour_in_which_the_clock_was_behind_is_not_lost_by_a_run_that_comes_after_it(
    space: str, setting: str, change: datetime, minutes: int, days: int, *, is_dated: bool
) -> None:
    runs = Runs(Space(space, dated=is_dated), change - DAY)
    times = [change + minutes * MINUTE, change + days * DAY, change + (days + 1) * DAY]

    lost = _lost(runs, setting, times, until=times[-1] - WIDEST)

    assert lost == []


@pytest.mark.parametrize("is_dated", [True, False], ids=["dated", "undated"])
def test_that_hour_is_not_lost_where_the_range_ends_within_it(*, is_dated: bool) -> None:
    change = datetime(2024, 11, 3, 5, tzinfo=UTC)
    runs = Runs(Space("America/Havana", reading="wall", dated=is_dated), change - DAY)
    end = change + 45 * MINUTE  # 15 minutes before New York's change

    lost = _lost(
        runs, "America/New_York", [change - 5 * MINUTE, change + 2 * DAY], until=end, end=end
    )

    assert lost == []


def _lost(
    runs: Runs,
    setting: str,
    times: Sequence[datetime],
    *,
    until: datetime,
    end: datetime | None = None,
) -> list[datetime]:
    """Let a contact come every five minutes, and the tap run at some times; say what it lost.

    Args:
        until: Contacts that are created later need not have been read.
        end: The setting `end_date`.

    Returns:
        When lost contacts were created; nothing where the last run is an error.
    """
    at, created = runs.clock.now(), runs.space.created
    config = {"timezone": setting, "start_date": at.isoformat(), "extraction_mode": "pagination"}
    if end is not None:
        config["end_date"] = end.isoformat()
    for then in times:
        created += [at + 5 * MINUTE * n for n in range((then - at) // (5 * MINUTE))]
        runs.clock.set(then)
        at = then
        done = runs.run(config)
    if done.error is not None:
        return []
    return [each for n, each in enumerate(created) if n not in runs.got and each < until]
