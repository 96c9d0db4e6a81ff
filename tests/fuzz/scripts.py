"""What may go wrong in a run: a Space, an API of some version, settings, and faults."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from typing_extensions import override

from tests.sandbox import Fault, Limits, Options, dated

if TYPE_CHECKING:
    from tests.sandbox.shapes import Shape

ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
NOW = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
CANARY = "c4n4ry-of-a-body"
_SHAPES: tuple[Shape, ...] = ("flat", "growing", "bursty")
_STATUSES = (400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 501, 502, 503, 504, 302)
_PASSING_STATUSES = {408, 500, 502, 503, 504}
_HICCUPS = 2
_BLACKOUT = ((NOW.timestamp() + 3, NOW.timestamp() + 45),)
_WAITS = ("0", "1", "0.5", "7", "120", "-3", "nan", "inf", "soon", "86400", None)
_WAITS_ON = ("Wed, 21 Oct 2015 07:28:00 GMT", "Sat, 01 Jun 2024 12:05:00 GMT")


@dataclass(frozen=True)
class Script:
    """One run. Its representation is all that it takes to play it again."""

    contacts: int
    shape: Shape
    days: float
    options: Options
    config: dict[str, Any]
    faults: tuple[Fault, ...]
    full_table: bool
    others: tuple[int, int, int]
    """Calls of this minute that another client has used up."""

    @property
    def passes(self) -> bool:
        """Nothing but a hiccup or two, against the API as documented."""
        few = len(self.faults) <= _HICCUPS
        return few and self.options == dated() and all(map(_is_hiccup, self.faults))


def _is_hiccup(fault: Fault) -> bool:
    passing = fault.status in _PASSING_STATUSES if fault.kind == "status" else fault.edit is None
    return fault.times == 1 and passing


# Changes to answers. None of them is a lie that nobody could see through.


@dataclass(frozen=True)
class Without:
    """Lacks a field."""

    name: str

    def __call__(self, answer: Any) -> None:
        answer.pop(self.name, None)


@dataclass(frozen=True)
class With:
    """Has other values."""

    values: dict[str, Any]

    def __call__(self, answer: Any) -> None:
        answer |= self.values


@dataclass(frozen=True)
class EachWith(With):
    """Has other values in each contact."""

    @override
    def __call__(self, answer: Any) -> None:
        for contact in answer["data"]:
            contact.update(self.values)


def without_id(answer: Any) -> None:
    for contact in answer["data"][:1]:
        del contact["id"]


def same_cursor(answer: Any) -> None:
    answer["next_cursor"] = answer["next_cursor"] and "eyJpZCI6MX0"


def cut_line(lines: list[bytes]) -> None:
    lines[:1] = [line[:-9] for line in lines[:1]]


def odd_lines(lines: list[bytes]) -> list[bytes]:
    return [b"", *lines, b"", b"  "]


def null_line(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"null"]


_EDITS = {
    "list": (
        *(Without("next_cursor"), Without("data"), without_id, same_cursor),
        EachWith({"x_" + "y" * 40: CANARY}),
        EachWith({"phone": 5550100, "location": ["x"], "name": "a\0b\ud800"}),
    ),
    "create": (Without("export_id"), With({"export_id": 999_999_999})),
    "poll": (
        *(With({"status": "thinking"}), With({"status": "failed"}), Without("download_url")),
        With({"download_url": "http://files.example.com/x?X-Amz-Signature=" + CANARY}),
    ),
}
_LINE_EDITS = (cut_line, odd_lines, null_line)
_BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"data":[{"id":1}]}',
    b'{"message":"%s https://x.example.com/?k=%s"}' % (CANARY.encode(), CANARY.encode() * 3),
    b"\xff\xfe<html>%s</html>" % CANARY.encode(),
    b'{"status":7}',
    b"[" * 5000,
)


def _fault(endpoint: str, kind: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Fault]:
    calls = st.integers(1, 8)
    times = st.sampled_from([1, 1, 1, 2, 3, 7, None])
    return st.builds(Fault, st.just(endpoint), st.just(kind), call=calls, times=times, **more)


def _statuses(endpoint: str) -> st.SearchStrategy[Fault]:
    told = st.sampled_from([*_WAITS, *_WAITS_ON]).map(lambda wait: {"Retry-After": wait})
    return _fault(
        endpoint,
        "status",
        status=st.sampled_from(_STATUSES),
        headers=told,
        body=st.none() | st.sampled_from(_BODIES),
    )


def _breaks(endpoint: str) -> st.SearchStrategy[Fault]:
    fractions = st.sampled_from([0.0, 0.1, 0.5, 0.99])
    return st.one_of(
        _fault(endpoint, "hangup"),
        _fault(endpoint, "lost"),
        _fault(endpoint, "cut", fraction=fractions, reset=st.booleans()),
        _fault(endpoint, "truncate", fraction=fractions, content_length=st.booleans()),
        _fault(endpoint, "slow", seconds=st.just(0.005)),
    )


def _senseless(endpoint: str) -> st.SearchStrategy[Fault]:
    bodies = st.sampled_from(_BODIES)
    if endpoint == "file":
        return st.one_of(
            _fault(endpoint, "garbage", body=bodies),
            _fault(endpoint, "flip"),
            _fault(endpoint, "append"),
            _fault(endpoint, "empty"),
            _fault(endpoint, "lines", edit=st.sampled_from(_LINE_EDITS)),
        )
    return st.one_of(
        _fault(endpoint, "garbage", body=bodies),
        _fault(endpoint, "append", body=st.just(b"}")),
        _fault(endpoint, "empty"),
        _fault(endpoint, "edit", edit=st.sampled_from(_EDITS[endpoint])),
    )


_FAULTS = st.one_of(
    [
        strategy(endpoint)
        for endpoint in ("list", "create", "poll", "file")
        for strategy in (_statuses, _breaks, _senseless)
    ]
)

_LIMITS = st.builds(
    Limits,
    list=st.sampled_from([15, 15, 3, 60]),
    create=st.sampled_from([5, 5, 1, 20]),
    poll=st.sampled_from([30, 30, 4, 120]),
)

_OPTIONS = st.builds(
    dated,
    timezone=st.sampled_from(ZONES),
    end_inclusive=st.booleans(),
    repeated_hour=st.sampled_from(["first", "second", "wall"]),
    created_at=st.sampled_from(["seconds", "microseconds", "absent"]),
    custom_numbers_as_strings=st.booleans(),
    unicode_escaped=st.booleans(),
    list_emails=st.sampled_from([True, True, False]),
    refuses_future=st.sampled_from([frozenset[str](), frozenset({"list", "create"})]),
    visible_after=st.sampled_from([0.0, 0.0, 30.0]),
    list_lag=st.sampled_from([0.0, 0.0, 20.0]),
    blackouts=st.sampled_from([(), (), _BLACKOUT]),
    blackout_after_work=st.booleans(),
    page_cap=st.sampled_from([None, None, 2, 20]),
    max_list_days=st.sampled_from([None, None, 40.0]),
    slow_list_days=st.sampled_from([None, None, 40.0]),
    max_running_exports=st.sampled_from([None, None, 1]),
    busy_status=st.sampled_from([409, 423, 425]),
    max_export_contacts=st.sampled_from([None, None, 15]),
    export_refusal=st.sampled_from(["422", "failed"]),
    create_status=st.sampled_from([202, 202, 200]),
    queued_seconds=st.sampled_from([0.0, 0.2, 300.0]),
    job_seconds=st.sampled_from([0.0, 1.0, 4000.0]),
    keep_exports=st.sampled_from([None, None, 5.0]),
    url_lifetime=st.sampled_from([900.0, 900.0, 0.0]),
    forbidden=st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"create"})]),
    file_order=st.sampled_from(["newest", "oldest", "shuffled"]),
    gzip_members=st.integers(1, 3),
    empty_member=st.booleans(),
    last_newline=st.booleans(),
    crlf=st.booleans(),
    blank_lines=st.booleans(),
    content_encoding=st.booleans(),
    content_length=st.booleans(),
    limits=_LIMITS,
    limit_window=st.sampled_from(["sliding", "fixed"]),
)

_CONFIG = st.fixed_dictionaries(
    {
        "extraction_mode": st.sampled_from(["auto", "auto", "pagination", "export"]),
        "export_threshold": st.sampled_from([1, 10, 50]),
        "export_target_size": st.sampled_from([10, 30, 1000]),
        "page_size": st.sampled_from([7, 40]),
        "max_parallel_exports": st.integers(1, 4),
    },
    optional={
        "include_comet_tokens": st.just(value=True),
        "include_all_emails": st.just(value=True),
        "stream_maps": st.just({"contacts": {"email": "md5(email or '')"}}),
        "rate_limit_share": st.just(0.5),
        "export_timeout": st.just(600),
    },
)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    options = draw(st.just(dated()) | _OPTIONS)
    return Script(
        contacts=draw(st.sampled_from([0, 1, 5, 30, 100])),
        shape=draw(st.sampled_from(_SHAPES)),
        days=draw(st.sampled_from([0.01, 20.0, 100.0])),
        options=options,
        config={**draw(_CONFIG), "timezone": options.timezone},
        faults=tuple(draw(st.lists(_FAULTS, max_size=6))),
        full_table=draw(st.sampled_from([False, False, False, True])),
        others=draw(st.sampled_from([(0, 0, 0), (0, 0, 0), (14, 4, 29)])),
    )
