"""How the sandbox reads what Cometly's documentation leaves open, and how fast it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tests.sandbox.partial import Keeps

CreatedAt = Literal["seconds", "microseconds", "absent"]


@dataclass(frozen=True)
class Limits:
    """Calls a minute."""

    list: int = 15
    create: int = 5
    poll: int = 30


@dataclass(frozen=True)
class Options:
    """One reading of the API. Replace `sandbox.options` to change it while it runs.

    The defaults are what the newest documentation shows: a contact is `id`, `email`, `name`,
    `phone` and `location`, and only exports know `emails`. `dated` gives the richer reading.
    """

    api_key: str = "ck_sandbox"
    forbidden: frozenset[str] = frozenset()
    """Endpoints ("list", "create", "poll") that answer 403."""
    refuses_future: frozenset[str] = frozenset()
    """Those of "list" and "create" that answer 422 to a range that ends later than now."""
    blackouts: Sequence[tuple[float, float]] = ()
    """Spans of the sandbox's clock, in epoch seconds, in which each new request is dropped ..."""
    blackout_after_work: bool = False
    """... before anything is done for it, or after, so that only the answer is lost."""

    timezone: str = "UTC"
    end_inclusive: bool = True
    repeated_hour: Literal["first", "second", "wall"] = "first"
    """Which of two equal wall times is meant; "wall": contacts are compared by their wall time."""

    created_at: CreatedAt = "absent"
    export_created_at: CreatedAt | None = None
    """Where exports differ from the list: an older version's show it, whose list may not."""
    list_emails: bool = False
    list_custom_fields: bool = True
    export_emails: bool = True
    custom_numbers_as_strings: bool = False
    unicode_escaped: bool = True
    r"""JSON as PHP writes it, `\u00e9`; False: as plain UTF-8."""

    visible_after: float = 0.0
    """Seconds between a contact's creation and its first appearance."""
    list_lag: float = 0.0
    """Further seconds until the list, a replica, shows it; exports do not wait for that."""

    page_cap: int | None = None
    max_list_days: float | None = None
    """Longer ranges are refused with 422."""
    slow_list_days: float | None = None
    """Longer ranges end in a gateway's 504."""
    ignore_dates: bool = False

    max_export_contacts: int | None = None
    export_refusal: Literal["422", "failed"] = "422"
    max_running_exports: int | None = None
    """Where so many are queued or processing, another one is refused with ..."""
    busy_status: int = 409
    create_status: int = 202
    queued_seconds: float = 0.2
    job_seconds: float = 0.0
    job_seconds_of: Callable[[int], float] | None = None
    """Instead of `job_seconds`: by the job's number, the first is 1."""
    job_fails: Callable[[datetime, datetime], bool] | None = None
    """Given the window's first and last instant in UTC."""
    keep_exports: float | None = None
    """Seconds from the creation of a job until its polls answer 404."""
    export_keeps: Keeps | None = None
    """What a job that looks completed writes of its contacts; tests/sandbox/partial.py has some."""
    partial_exports: int | None = None
    """How many jobs, the first ones, `export_keeps` strikes; None: all."""

    url_lifetime: float = 900.0
    file_order: Literal["newest", "oldest", "shuffled"] = "newest"
    gzip_members: int = 1
    empty_member: bool = False
    last_newline: bool = True
    crlf: bool = False
    blank_lines: bool = False
    content_encoding: bool = False
    content_length: bool = True
    """False: the file comes in chunks of unannounced number."""

    limits: Limits = field(default_factory=Limits)
    limit_window: Literal["sliding", "fixed"] = "sliding"
    """Laravel's limiter is "fixed": a minute begins with its first call."""
    minute: float = 60.0

    def __post_init__(self) -> None:
        """Refuse a zone that does not exist, before a test waits for its answers."""
        ZoneInfo(self.timezone)


def healthy(options: Options) -> Options:
    """The same reading of the API, with nothing that goes wrong and nothing to wait for."""
    return replace(
        options,
        forbidden=frozenset(),
        blackouts=(),
        list_lag=0.0,
        slow_list_days=None,
        ignore_dates=False,
        max_export_contacts=None,
        max_running_exports=None,
        queued_seconds=0.0,
        job_seconds=0.0,
        job_seconds_of=None,
        job_fails=None,
        keep_exports=None,
        export_keeps=None,
        url_lifetime=900.0,
        limits=Limits(list=10_000, create=10_000, poll=10_000),
    )


def dated(**options: Any) -> Options:
    """The options of an API that tells `created_at`, and `emails` on the list, too."""
    return Options(**{"created_at": "seconds", "list_emails": True, **options})
