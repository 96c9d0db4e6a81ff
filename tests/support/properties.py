"""What must hold of every run, whatever went wrong: the properties of the failure catalogue.

`check(run, sandbox)` asserts all of them and belongs at the end of every test over HTTP: it clears
the sandbox's faults, for runs that were cut short go on against a healthy API.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tests.sandbox import Limits, healthy
from tests.support.clock import busiest_minute
from tests.support.running import Run, bookmark_of, sync

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from tests.sandbox import Request, Sandbox

PLENTY = Limits(list=10_000, create=10_000, poll=10_000)
FIRST_INSTANT = datetime.min.replace(tzinfo=timezone.utc)
NOT_NOW = {409, 423, 425, 429}  # statuses of a POST that made no job
WIDEST_ZONE_GAP = timedelta(hours=26)
STOPPED = {130, 143}

_SHORTEST_CANARY = 6  # characters; shorter texts turn up in a log by chance
_RECORDS_LOOKED_FOR = 50


def check(
    run: Run,
    sandbox: Sandbox,
    *,
    cuts: int = 2,
    excused: Collection[int] = (),
    canaries: Iterable[str] = (),
    limits: Limits | None = None,
    now: datetime | None = None,
    mend: Mapping[str, Any] | None = None,
    extra_posts: int = 1,
) -> None:
    """Assert everything that must hold of a run.

    Args:
        run: What to look at.
        sandbox: What it ran against.
        cuts: After how many of its STATE lines to cut it and start again; 0 for none at all.
        excused: Contacts that it need not have emitted: too late, or too new.
        canaries: Further texts that must not appear in its log.
        limits: Requests a minute, where the sandbox's present ones were not those of the run.
        now: When its range ended at the latest; by the run's own clock unless told.
        mend: Settings to correct before starting again.
        extra_posts: How many more exports it may create of one window.
    """
    is_polite(run, sandbox, limits or sandbox.options.limits, extra_posts=extra_posts)
    is_silent(run, sandbox, canaries)
    has_whole_lines(run)
    ends_honestly(run, now=now)
    claims_only_what_it_wrote(run, sandbox, excused, now=now)
    assert run.left_behind == ()
    if cuts:
        is_resumable(run, sandbox, cuts, excused, mend or {}, now=now)


def has_whole_lines(run: Run) -> None:
    """Each line is one JSON object, and the schema precedes what it describes."""
    assert run.raw.endswith(b"\n") or not run.raw
    described = False
    for line in run.raw.split(b"\n")[:-1]:
        message = json.loads(line)
        assert isinstance(message, dict)
        assert message["type"] in {"SCHEMA", "RECORD", "BATCH", "STATE", "ACTIVATE_VERSION"}
        described = described or message["type"] == "SCHEMA"
        assert described or message["type"] == "STATE"


def ends_honestly(run: Run, *, now: datetime | None = None) -> None:
    """Exit 0 with the whole range covered; or else one line that says why.

    Where the time zone was not verified, the bookmark stays behind the wall time of every zone.
    """
    assert "Traceback" not in run.log
    if run.exit:
        assert len(run.errors) == 1, run.log
        assert run.exit in {1, *STOPPED}
        return
    assert run.errors == []
    if is_full(run):
        return
    reached, wanted = run.bookmark, _range_end(run, now or run.began)
    if wanted <= _since(run):
        return
    assert reached is not None
    if clock_was_not_seen(run):
        wanted = min(wanted, _range_end(run, (now or run.began) - WIDEST_ZONE_GAP))
        behind = _range_end(run, run.clock.now() - WIDEST_ZONE_GAP)
        assert instant(reached) <= max(behind, _since(run)), f"{reached} is beyond {behind}"
    assert instant(reached) >= wanted, f"{reached} is not {wanted}"


def clock_was_not_seen(run: Run) -> bool:
    """Whether the run has logged that it could not verify the Space's time zone."""
    return "could not be verified in this run" in run.log or "No contact is new" in run.log


def claims_only_what_it_wrote(
    run: Run, sandbox: Sandbox, excused: Collection[int] = (), *, now: datetime | None = None
) -> None:
    """A STATE comes after every contact it claims, and bookmarks only grow.

    A run that exits 0 has written its whole range, however far its bookmark dares to go.
    """
    before = bookmark_of(run.given)
    first = max(_start(run), FIRST_INSTANT + WIDEST_ZONE_GAP) - WIDEST_ZONE_GAP
    reached = instant(before) if before else first
    written: set[int] = set()
    for line in run.lines:
        if line["type"] == "RECORD":
            written.add(line["record"]["id"])
        mark = bookmark_of(line["value"]) if line["type"] == "STATE" else None
        if mark is not None:
            assert instant(mark) >= reached or mark == bookmark_of(run.given), "it went back"
            nothing_is_missing(sandbox, _since(run), instant(mark), written | {*excused})
            reached = max(reached, instant(mark))
    if run.exit == 0:
        end = None if is_full(run) else max(reached, _range_end(run, now or run.began))
        nothing_is_missing(sandbox, _from(run), end, written | {*excused})


def nothing_is_missing(
    sandbox: Sandbox, start: datetime, end: datetime | None, got: Collection[int]
) -> None:
    """Each contact that is visible now and was created in [start, end) is among those."""
    missing = sorted(sandbox.space.ids(start, end) - set(got))
    assert not missing, f"{len(missing)} contacts between {start} and {end}, e.g. {missing[:5]}"


def is_silent(run: Run, sandbox: Sandbox, canaries: Iterable[str] = ()) -> None:
    """No key, signature or contact in the log; no Python warning either."""
    secrets = [str(run.config.get("api_key") or "\0"), *sandbox.signatures]
    told = [text for text in (*secrets, *canaries, *_personal(run)) if text in run.log]
    assert not told, f"the log tells {told[:3]}"
    assert "@example.com" not in run.log
    assert "py.warnings" not in run.log
    assert not [secret for secret in secrets if secret.encode() in run.raw]


def _personal(run: Run) -> Iterator[str]:
    for record in run.records[:_RECORDS_LOOKED_FOR]:
        for value in record.values():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and len(text) >= _SHORTEST_CANARY and not _is_date(text):
                    yield text


def _is_date(text: str) -> bool:
    """Any log is full of dates."""
    return text[:4].isdigit()


def is_polite(run: Run, sandbox: Sandbox, limits: Limits, *, extra_posts: int = 1) -> None:
    """Never over a limit in any minute, no key at the store, nobody else asked, no extra jobs."""
    share = float(run.config.get("rate_limit_share", 1.0))
    requests = run.requests
    for endpoint in ("list", "create", "poll"):
        most = max(1, int(getattr(limits, endpoint) * share))
        # A lost answer told no limit: a refused request is not held against the tap.
        counted = [r.at for r in requests if r.endpoint == endpoint and r.status not in NOT_NOW]
        busiest = busiest_minute(counted)
        assert busiest <= most, f"{busiest} requests to {endpoint} in a minute"
    assert not [r for r in requests if r.endpoint == "other"]
    assert not [r for r in requests if r.endpoint == "file" and "authorization" in r.headers]
    known = {_address(sandbox.api_url), _address(sandbox.store_url)}
    assert run.hosts <= known, f"connected to {run.hosts - known}"
    posts = [r for r in requests if r.endpoint == "create" and r.status not in NOT_NOW]
    created = Counter(map(_window, posts))  # a refused POST made no job
    assert all(times <= 1 + extra_posts for times in created.values()), created


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _window(request: Request) -> tuple[object, object]:
    body = request.body or {}
    return body.get("start_date"), body.get("end_date")


def is_resumable(
    run: Run,
    sandbox: Sandbox,
    cuts: int,
    excused: Collection[int] = (),
    mend: Mapping[str, Any] | None = None,
    *,
    now: datetime | None = None,
) -> None:
    """Cut after some STATE lines and started again on a healthy API, it still is complete."""
    if is_full(run) and run.exit == 0:
        return
    options = sandbox.options
    sandbox.clear_faults()
    sandbox.options = healthy(options)
    try:
        for state, written in _cut(run, cuts):
            overrides = {**run.config, **(mend or {})}
            again = sync(sandbox, overrides, state, run.catalog, run.clock)
            assert again.exit == 0, again.log
            ends_honestly(again, now=now)
            end = None if is_full(run) else _range_end(again, again.began)
            nothing_is_missing(sandbox, _since(run), end, written | again.ids | {*excused})
    finally:
        sandbox.options = options


def _cut(run: Run, cuts: int) -> list[tuple[dict[str, Any] | None, set[int]]]:
    """States to start again from, each with what had been written by then."""
    written: set[int] = set()
    places: list[tuple[dict[str, Any] | None, set[int]]] = []
    for line in run.lines:
        if line["type"] == "RECORD":
            written.add(line["record"]["id"])
        if line["type"] == "STATE":
            places.append((line["value"], set(written)))
    *earlier, last = places or [(run.given, set[int]())]
    sampled = earlier[:: max(1, -(-len(earlier) // cuts))]
    return [*sampled, last] if run.exit else sampled


# The range of a run, worked out anew: the tap's own arithmetic is not asked.


def is_full(run: Run) -> bool:
    """Whether a catalog asked for FULL_TABLE."""
    return run.catalog is not None and "FULL_TABLE" in json.dumps(run.catalog)


def instant(text: str, zone: str = "UTC") -> datetime:
    """An ISO date or time; without an offset it is of that zone, the first of two equal ones."""
    read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(zone))
    return read.astimezone(timezone.utc)


def _start(run: Run) -> datetime:
    return instant(run.config["start_date"], run.config.get("timezone", "UTC"))


def _since(run: Run) -> datetime:
    """Where what the run adds to the bookmark begins."""
    before = bookmark_of(run.given)
    return max(_start(run), instant(before)) if before else _start(run)


def _from(run: Run) -> datetime:
    """Where what the run reads begins, the days it looks back to included."""
    if is_full(run):
        return _start(run)
    before = bookmark_of(run.given)
    back = timedelta(days=run.config.get("lookback_days", 0))
    return max(_start(run), instant(before) - back) if before else _start(run)


def _range_end(run: Run, now: datetime) -> datetime:
    settled = now - timedelta(seconds=run.config.get("settle_seconds", 60))
    end = run.config.get("end_date")
    zone = run.config.get("timezone", "UTC")
    return min(settled, instant(end, zone) if end else settled).replace(microsecond=0)
