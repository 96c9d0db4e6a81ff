"""The settings: their JSON schema, where they come from, and what is wrong with them.

No error quotes a value, for a key may have been put in the wrong place; what looks like a date or a
time zone is the exception.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, time, timezone
from difflib import get_close_matches
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config

from tap_cometly.exceptions import SettingsError
from tap_cometly.timeranges import (
    StartDate,
    first_instant,
    last_instant,
    read_date,
    utc_text,
)
from tap_cometly.user_files import read_json

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from jsonschema import ValidationError

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
        description="Export jobs that may run at once.",
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


# An earlier start counts as this one. 26 hours before it is a date in every zone, also for MySQL,
# whose dates begin with the year 1000.
_EARLIEST = datetime(1000, 1, 3, tzinfo=timezone.utc)
_LONGEST_CONNECT = 30.0  # seconds
_RESEMBLING = 0.8  # of 1, as `difflib` has it


@dataclass(frozen=True)
class Settings:
    """The settings of one run, checked and typed."""

    api_key: str = field(repr=False)
    start: StartDate
    end: datetime | None
    zone: ZoneInfo
    include_custom_fields: bool
    extraction_mode: str
    export_threshold: int
    export_target_size: int
    max_parallel_exports: int
    export_timeout: float
    page_size: int
    lookback_days: float
    settle_seconds: float
    rate_limit_share: float
    request_timeout: float
    api_url: str

    @property
    def mode(self) -> str:
        """The mode that counts: exports have no custom fields."""
        return PAGINATION if self.include_custom_fields else self.extraction_mode

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds to wait for a connection, and for a service to send something."""
        return min(self.request_timeout, _LONGEST_CONNECT), self.request_timeout

    @classmethod
    def of(cls, config: Mapping[str, t.Any]) -> Settings:
        """Check a configuration that already fits its JSON schema.

        Args:
            config: The tap's configuration, defaults filled in.

        Returns:
            The settings, dates as UTC instants.

        Raises:
            SettingsError: A value makes no sense, or two of them contradict each other.
        """
        _check_key(config["api_key"])
        zone = _zone(config["timezone"])
        checked: dict[str, t.Any] = {
            "start": _start_date(config, zone),
            "end": _date(config, "end_date", zone)[1] if "end_date" in config else None,
            "zone": zone,
            "api_url": _api_url(config["api_url"]),
        }
        plain = {name: config[name] for name in cls.__dataclass_fields__ if name not in checked}
        settings = cls(**plain, **checked)
        if settings.end is not None and settings.start.instant >= settings.end:
            msg = "The setting `start_date` is not before `end_date`"
            raise SettingsError(msg, "Set an earlier `start_date` or a later `end_date`.")
        if settings.extraction_mode == EXPORT and settings.include_custom_fields:
            msg = "The setting `extraction_mode: export` contradicts `include_custom_fields`"
            advice = "Exports have no custom fields: set `extraction_mode` to auto or pagination."
            raise SettingsError(msg, advice)
        return settings


_NOT_IN_A_KEY = {
    r"\A\s*\Z": "is blank",
    r"(?i)\A\s*bearer\s": "begins with `Bearer`",
    r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]": "holds a line break",
    r"\s": "holds a blank",
    r"…|\.\.\.": "is shortened by an ellipsis",
    r"[\"'`\u2018\u2019\u201c-\u201e\xab\xbb]": "holds a quotation mark",
    r"[^!-~]": "holds a character that no key has",
}
_LIKE_A_DATE = r"(?i)\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.]{1,15} ?(Z|[+-]\d\d:?\d\d)?)?"
_LIKE_A_ZONE = (
    r"(?i)(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|US)"
    r"(/[A-Z_-]{1,20}){1,2}|(UTC|GMT|Etc/GMT)[+-]\d{1,2}(:\d\d)?|[A-Z]{2,4}T"
)


def _check_key(key: str) -> None:
    """Refuse what cannot be a key, before a request carries it; without quoting it."""
    for pattern, found in _NOT_IN_A_KEY.items():
        if re.search(pattern, key):
            msg = f"The setting `api_key` {found}"
            raise SettingsError(msg, "Set it to the key alone, as Cometly shows it.")


def _shown(text: str, like: str) -> str:
    """Quote a value, but only if it looks like what it should be."""
    return f": {text!r}" if re.fullmatch(like, text) else ""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"The setting `timezone` names no known zone{_shown(name, _LIKE_A_ZONE)}"
        alike = get_close_matches(name, available_timezones(), 1, _RESEMBLING)
        meant = alike[0] if alike else "America/Los_Angeles"
        advice = f"Use the IANA name of the Space's zone, e.g. {meant}."
        raise SettingsError(msg, advice) from None


def _date(
    config: Mapping[str, t.Any], name: str, zone: ZoneInfo
) -> tuple[datetime | date, datetime]:
    """Read a date as it was written, and as the instant it stands for, UTC.

    A wall time that occurs twice is the first of the two as a start, the last as an end.
    """
    try:
        written = read_date(config[name])
        if isinstance(written, datetime) and written.tzinfo is not None:
            return written, written.astimezone(timezone.utc)
        meaning = last_instant if name == "end_date" else first_instant
        return written, meaning(written, zone)
    except (ValueError, OverflowError):
        msg = f"The setting `{name}` is not a date{_shown(config[name], _LIKE_A_DATE)}"
        advice = "Write it like 2024-01-31 or 2024-01-31T09:30:00Z."
        raise SettingsError(msg, advice) from None


def _start_date(config: Mapping[str, t.Any], zone: ZoneInfo) -> StartDate:
    written, instant = _date(config, "start_date", zone)
    instant = max(instant, _EARLIEST).replace(microsecond=0)
    if isinstance(written, datetime) and written.tzinfo is not None:
        return StartDate(instant, has_zone=True)
    wall = written.time() if isinstance(written, datetime) else time()
    is_skipped = instant.astimezone(zone).time() != wall.replace(microsecond=0)
    return StartDate(instant, has_zone=False, is_skipped=is_skipped and instant > _EARLIEST)


def naive_times(config: Mapping[str, t.Any], zone: ZoneInfo) -> Iterator[tuple[str, bool]]:
    """Explain date-time settings that have no zone.

    Yields:
        A text that names the instant; whether that instant differs from the same text read as UTC.
    """
    for name in [name for name in ("start_date", "end_date") if name in config]:
        written, instant = _date(config, name, zone)
        if isinstance(written, datetime) and written.tzinfo is None:
            understood = f"`{name}`: {written.isoformat()} in {zone.key} = {utc_text(instant)}"
            yield understood, instant != written.replace(tzinfo=timezone.utc)


def _api_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        msg = "The setting `api_url` is not a URL"
        raise SettingsError(msg, f"Leave it out to use {DEFAULT_API_URL}.") from None
    is_secure = parts.scheme == "https" and host
    if not is_secure and not (parts.scheme == "http" and is_loopback(host)):
        msg = "The setting `api_url` is neither https nor http on loopback"
        raise SettingsError(msg, f"Leave it out to use {DEFAULT_API_URL}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "The setting `api_url` holds more than scheme, host and path"
        raise SettingsError(msg, "Put the key into `api_key`.")
    return url.rstrip("/")


def is_loopback(host: str | None) -> bool:
    """Return whether a host name stands for this machine's loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


# Where settings come from: the environment, or files, whose values may have come as text.


def settings_from_environment(schema: Mapping[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """Read what the environment, or a `.env` file, sets; an empty variable counts as unset.

    The SDK takes a fraction for text and any word for false, and fails on other misfits: here all
    stays text, which `normalize` converts.

    Raises:
        SettingsError: There is a `.env` file that cannot be read.
    """
    as_text = {"properties": {name: {"type": "string"} for name in schema["properties"]}}
    try:
        texts = parse_environment_config(as_text, prefix)
    except (OSError, ValueError) as error:
        msg = f"The `.env` file cannot be read ({type(error).__name__})"
        raise SettingsError(msg, "Write it in UTF-8, and let this user read it.") from None
    return {name: text for name, text in texts.items() if text}


_BOOLEANS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def normalize(config: dict[str, t.Any], schema: Mapping[str, t.Any]) -> None:
    """Remove settings that count as unset, and convert text to the type of its setting.

    Meltano passes on a variable of its environment as text where its definition of the setting has
    another kind, and an empty variable as an empty text. What cannot be read stays text, for the
    schema to complain of.
    """
    for name, value in list(config.items()):
        setting = schema["properties"].get(name, {"type": "string"})
        kinds = setting.get("type", ())
        optional = "default" not in setting and name not in schema.get("required", ())
        read = value
        if isinstance(value, str) and "boolean" in kinds:
            read = _BOOLEANS.get(value.strip().lower(), value)
        elif isinstance(value, str) and "string" not in kinds:
            with contextlib.suppress(ValueError, RecursionError):
                read = read_json(value)
        if read is None or (read == "" and optional):
            del config[name]
        else:
            config[name] = read


# What is wrong with them.


def schema_error(errors: Iterable[ValidationError]) -> SettingsError:
    """Return one error that names each setting that does not fit the JSON schema.

    Values are not shown: a mistyped key would be among them.
    """
    found = sorted({_complaint(error) for error in errors})
    advice = "Run `tap-cometly --about --format json` to see every setting with its bounds."
    return SettingsError("Wrong settings: " + "; ".join(found), advice)


def _complaint(error: ValidationError) -> str:
    name = ".".join(str(part) for part in error.absolute_path) or "the configuration"
    wanted = t.cast("t.Any", error.validator_value)
    match error.validator:
        case "required":
            given: t.Any = error.instance
            where = "in Meltano, or with `--config=ENV`: TAP_COMETLY_"
            missing = [key for key in wanted if key not in given]
            return "; ".join(f"`{key}` is missing ({where}{key.upper()})" for key in missing)
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else [k for k in wanted if k != "null"]
            return f"`{name}` must be of type {' or '.join(kinds)}"
        case "enum":
            return f"`{name}` must be one of {', '.join(map(str, wanted))}"
        case "minimum" | "maximum" | "exclusiveMinimum":
            bound = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above"}
            return f"`{name}` must be {bound[error.validator]} {wanted}"
        case "minLength":
            return f"`{name}` must not be empty"
        case _:
            return f"`{name}` does not fit its description"


def unknown_setting_warnings(config: Mapping[str, t.Any], known: Iterable[str]) -> Iterator[str]:
    """Warn of settings that this tap does not have, and name what was probably meant.

    Only what resembles a setting is quoted: a key in the wrong place would be among the rest.
    """
    known = set(known)
    for name in sorted(config.keys() - known):
        meant = get_close_matches(name, known, n=1, cutoff=_RESEMBLING)
        if meant:
            yield f"No setting of this tap, so without effect: `{name}`; is it `{meant[0]}`?"
        else:
            yield "A setting that this tap does not have is without effect; see --about"
