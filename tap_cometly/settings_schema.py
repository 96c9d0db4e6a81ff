"""Every setting, with what it means, its bounds and its default."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

AUTO, PAGINATION, EXPORT = "auto", "pagination", "export"
DEFAULT_API_URL = "https://app.cometly.com/public-api/v1"

SETTINGS_SCHEMA: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType(min_length=1),
        required=True,
        secret=True,
        title="API key",
        description="The API key of the Space to read.",
    ),
    th.Property(
        "start_date",
        th.StringType,
        required=True,
        title="Start date",
        description=(
            "Contacts created from here on are read. A date or date-time; without a zone it is the "
            "Space's wall time, a date its first instant."
        ),
        examples=["2024-01-01", "2024-01-01T00:00:00Z"],
    ),
    th.Property(
        "end_date",
        th.StringType,
        title="End date",
        description=(
            "Contacts created up to here are read, for backfills in shards. "
            "Written like the start date; by default now."
        ),
    ),
    th.Property(
        "timezone",
        th.StringType,
        default="UTC",
        title="Time zone",
        description=(
            "The IANA name of the Space's time zone, as its owner set it. Every run checks it."
        ),
        examples=["UTC", "America/Los_Angeles"],
    ),
    th.Property(
        "include_comet_tokens",
        th.BooleanType,
        default=False,
        title="Include Comet tokens",
        description="Adds the column comet_tokens: the last five tokens, newest first.",
    ),
    th.Property(
        "include_all_emails",
        th.BooleanType,
        default=False,
        title="Include all e-mails",
        description="Adds the column emails: all addresses, those of merged profiles too.",
    ),
    th.Property(
        "include_custom_fields",
        th.BooleanType,
        default=False,
        title="Include custom fields",
        description=(
            "Adds the columns profile_field_1 to profile_field_30. Only the list has them, so all "
            "contacts are then read through pages."
        ),
    ),
    th.Property(
        "extraction_mode",
        th.StringType,
        default=AUTO,
        allowed_values=[AUTO, PAGINATION, EXPORT],
        title="Extraction mode",
        description=(
            "How contacts are read: through pages of the list, through export jobs, or, with auto, "
            "small ranges through pages and large ones through exports."
        ),
    ),
    th.Property(
        "export_threshold",
        th.IntegerType(minimum=1, maximum=50_000),
        default=10_000,
        title="Export threshold",
        description="Contacts; with auto, a range that holds more is read through exports.",
    ),
    th.Property(
        "export_target_size",
        th.IntegerType(minimum=1, maximum=5_000_000),
        default=250_000,
        title="Export target size",
        description="Contacts that one export aims at.",
    ),
    th.Property(
        "max_parallel_exports",
        th.IntegerType(minimum=1, maximum=20),
        default=4,
        title="Parallel exports",
        description="Exports that may be in the works at once.",
    ),
    th.Property(
        "export_timeout",
        th.NumberType(exclusive_minimum=0, maximum=86_400),
        default=3_600,
        title="Export timeout",
        description="Seconds that an export job may take.",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=5_000),
        default=5_000,
        title="Page size",
        description="Contacts asked for in one page of the list.",
    ),
    th.Property(
        "lookback_days",
        th.NumberType(minimum=0, maximum=3_650),
        default=0,
        title="Lookback days",
        description=(
            "Re-reads this many days before the bookmark, for contacts completed or merged later."
        ),
    ),
    th.Property(
        "settle_seconds",
        th.NumberType(minimum=0, maximum=86_400),
        default=60,
        title="Settle seconds",
        description="The newest seconds are left for the next run.",
    ),
    th.Property(
        "rate_limit_share",
        th.NumberType(exclusive_minimum=0, maximum=1),
        default=1.0,
        title="Rate limit share",
        description="The part of the Space's request limits that this tap may take.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=600),
        default=60,
        title="Request timeout",
        description="Seconds to wait for the API or the file store to send something.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default=DEFAULT_API_URL,
        title="API URL",
        description="Where the API is: https, or http on this machine's loopback address.",
    ),
    th.Property(
        "emit_activate_version_messages",
        th.BooleanType,
        default=False,
        title="Emit ACTIVATE_VERSION messages",
        description=(
            "After a FULL_TABLE sync, tell the target to drop contacts that are no longer there."
        ),
    ),
).to_dict()
