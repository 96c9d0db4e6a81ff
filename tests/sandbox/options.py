"""How the sandbox reads what Cometly's documentation leaves open, and how fast it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

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

    timezone: str = "UTC"
    end_inclusive: bool = True
    repeated_hour: Literal["first", "second"] = "first"

    created_at: CreatedAt = "absent"
    list_emails: bool = False
    list_custom_fields: bool = True
    export_emails: bool = True
    custom_numbers_as_strings: bool = False
    custom_field_labels: Mapping[int, str] = field(default_factory=dict)
    unicode_escaped: bool = True
    r"""JSON as PHP writes it, `\u00e9`; False: as plain UTF-8."""

    visible_after: float = 0.0
    """Seconds between a contact's creation and its first appearance."""

    page_cap: int | None = None
    max_list_days: float | None = None
    ignore_dates: bool = False

    max_export_contacts: int | None = None
    export_refusal: Literal["422", "failed"] = "422"
    create_status: int = 202
    queued_seconds: float = 0.2
    job_seconds: float = 0.0
    job_seconds_per_contact: float = 0.0
    job_seconds_of: Callable[[int], float] | None = None
    """Instead of `job_seconds`: by the job's number, the first is 1."""
    job_fails: Callable[[datetime, datetime], bool] | None = None
    """Given the window's first and last instant in UTC."""
    keep_exports: float | None = None
    """Seconds from the creation of a job until its polls answer 404."""

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


def dated(**options: Any) -> Options:
    """The options of an API that tells `created_at`, and `emails` on the list, too."""
    return Options(**{"created_at": "seconds", "list_emails": True, **options})
