"""The settings: their JSON schema, where they come from, and what is wrong with them.

No error quotes a value, for a key may have been put in the wrong place; what looks like a date or a
time zone is the exception.
"""

from __future__ import annotations

import ast
import codecs
import importlib.util
import ipaddress
import json
import logging
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, time, timezone
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._util import load_json

from tap_cometly.exceptions import SettingsError, TapError
from tap_cometly.timeranges import (
    StartDate,
    first_instant,
    last_instant,
    read_date,
    read_instant,
    utc_text,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
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


_EARLIEST = datetime(1000, 1, 3, tzinfo=timezone.utc)  # leaves room to look around in every zone
_RESEMBLING = 0.8  # of 1, as `difflib` has it
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\xab\xbb"
_LIKE_A_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.]{1,15} ?(Z|[+-]\d\d:?\d\d)?)?", re.IGNORECASE
)
_LIKE_A_ZONE = re.compile(
    r"(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|US)"
    r"(/[A-Za-z_-]{1,20}){1,2}|(UTC|GMT|Etc/GMT)[+-]\d{1,2}(:\d\d)?|[A-Z]{2,4}T",
    re.IGNORECASE,
)


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
        start = _start_date(config, zone)
        end = _instant(config, "end_date", last_instant, zone) if "end_date" in config else None
        if end is not None and start.instant >= end:
            msg = "The setting `start_date` is not before `end_date`"
            raise SettingsError(msg, "Set an earlier `start_date` or a later `end_date`.")
        if config["extraction_mode"] == EXPORT and config["include_custom_fields"]:
            msg = "The setting `extraction_mode: export` contradicts `include_custom_fields`"
            advice = "Exports have no custom fields: set `extraction_mode` to auto or pagination."
            raise SettingsError(msg, advice)
        checked: dict[str, t.Any] = {
            "start": start,
            "end": end,
            "zone": zone,
            "api_url": _api_url(config["api_url"]),
        }
        plain: dict[str, t.Any] = {
            name: _plain(config[name]) for name in cls.__dataclass_fields__ if name not in checked
        }
        return cls(**plain, **checked)


def _check_key(key: str) -> None:
    """Refuse what cannot be a key, before a request carries it.

    Raises:
        SettingsError: It cannot; the key is not quoted.
    """
    wrong = (
        (not key.strip(), "is blank"),
        (key.strip().lower().startswith("bearer "), "begins with `Bearer`"),
        (len(key.splitlines()) > 1 or key != key.rstrip("\r\n"), "holds a line break"),
        (any(character.isspace() for character in key), "holds a blank"),
        ("…" in key or "..." in key, "is shortened by an ellipsis"),
        (
            any(quote in key for quote in _QUOTES),
            "holds a quotation mark",
        ),
        (not (key.isascii() and key.isprintable()), "holds a character that no key has"),
    )
    if found := next((what for holds, what in wrong if holds), None):
        msg = f"The setting `api_key` {found}"
        raise SettingsError(msg, "Set it to the key alone, as Cometly shows it.")


def _plain(value: t.Any) -> t.Any:
    """Undo what the SDK makes of a fraction in a file: nothing else here counts in decimals."""
    return float(value) if isinstance(value, Decimal) else value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"The setting `timezone` names no known zone{_shown(name, _LIKE_A_ZONE)}"
        [meant] = get_close_matches(name, available_timezones(), 1, _RESEMBLING) or [
            "America/Los_Angeles"
        ]
        advice = f"Use the IANA name of the Space's zone, e.g. {meant}."
        raise SettingsError(msg, advice) from None


def _instant(
    config: Mapping[str, t.Any],
    name: str,
    reading: Callable[[datetime | date, ZoneInfo], datetime],
    zone: ZoneInfo,
) -> datetime:
    try:
        read = read_date(config[name])
        zoned = isinstance(read, datetime) and read.tzinfo is not None
        return read_instant(config[name]) if zoned else reading(read, zone)
    except (ValueError, OverflowError):
        msg = f"The setting `{name}` is no date{_shown(config[name], _LIKE_A_DATE)}"
        advice = "Write it like 2024-01-31 or 2024-01-31T09:30:00Z."
        raise SettingsError(msg, advice) from None


def naive_times(config: Mapping[str, t.Any], zone: ZoneInfo) -> Iterator[tuple[str, bool]]:
    """Say what was understood of date-times that name no zone; plain dates never name one.

    Args:
        config: A configuration that `Settings.of` has accepted.
        zone: The Space's.

    Yields:
        Which instant was understood; and whether it is another one in UTC.
    """
    for name, reading in (("start_date", first_instant), ("end_date", last_instant)):
        read = read_date(config[name]) if name in config else None
        if isinstance(read, datetime) and read.tzinfo is None:
            instant = reading(read, zone)
            understood = f"`{name}`: {read.isoformat()} in {zone.key} = {utc_text(instant)}"
            yield understood, instant != read.replace(tzinfo=timezone.utc)


def _start_date(config: Mapping[str, t.Any], zone: ZoneInfo) -> StartDate:
    instant = max(_instant(config, "start_date", first_instant, zone), _EARLIEST)
    instant = instant.replace(microsecond=0)
    read = read_date(config["start_date"])
    if isinstance(read, datetime) and read.tzinfo is not None:
        return StartDate(instant, has_zone=True)
    written = read.time() if isinstance(read, datetime) else time()
    is_skipped = instant.astimezone(zone).time() != written.replace(microsecond=0)
    return StartDate(instant, has_zone=False, is_skipped=is_skipped and instant > _EARLIEST)


def _shown(text: str, like: re.Pattern[str]) -> str:
    """Quote a value, but only if it looks like what it should be."""
    return f": {text!r}" if like.fullmatch(text) else ""


def _api_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        msg = "The setting `api_url` is no URL"
        raise SettingsError(msg, f"Leave it out to use {DEFAULT_API_URL}.") from None
    secure = parts.scheme == "https" and bool(host)
    if not secure and not (parts.scheme == "http" and is_loopback(host)):
        msg = "The setting `api_url` is neither https nor http on loopback"
        raise SettingsError(msg, f"Leave it out to use {DEFAULT_API_URL}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "The setting `api_url` holds more than scheme, host and path"
        raise SettingsError(msg, "Put the key into `api_key`.")
    return url.rstrip("/")


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name stands for this machine's loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def explain(errors: Iterable[ValidationError]) -> SettingsError:
    """Turn what the JSON schema found into one error that names each setting.

    Values are not shown: a mistyped key would be among them.
    """
    found = sorted({_complaint(error) for error in errors})
    advice = "Run `tap-cometly --about --format json` to see every setting with its bounds."
    return SettingsError("Wrong settings: " + "; ".join(found), advice)


def misspelt(config: Mapping[str, t.Any], known: Iterable[str]) -> Iterator[str]:
    """Say which settings are none of this tap's, and what was probably meant.

    Only what resembles a setting is quoted: a key in the wrong place would be among the rest.
    """
    known = set(known)
    for name in sorted(config.keys() - known):
        meant = get_close_matches(name, known, n=1, cutoff=_RESEMBLING)
        if meant:
            yield f"No setting of this tap, so without effect: `{name}`; is it `{meant[0]}`?"
        else:
            yield "A setting that this tap does not have is without effect; see --about"


def _complaint(error: ValidationError) -> str:
    name = ".".join(str(part) for part in error.absolute_path) or "the configuration"
    wanted = t.cast("t.Any", error.validator_value)
    match error.validator:
        case "required":
            given: t.Any = error.instance
            missing = (key for key in wanted if key not in given)
            return "; ".join(f"`{name}` is missing ({_variable(name)})" for name in missing)
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


def _variable(name: str) -> str:
    return f"in Meltano, or with `--config=ENV`: TAP_COMETLY_{name.upper()}"


_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def settings_from_environment(schema: Mapping[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """Read what the environment, or a `.env` file, sets.

    The SDK takes a fraction for text and any word for false, and fails on other misfits.

    Args:
        schema: The settings' JSON schema.
        prefix: What the variables begin with.

    Returns:
        The settings that are set; an empty variable counts as unset. What cannot be read stays
        text, for the schema to complain of.

    Raises:
        SettingsError: There is a `.env` file that cannot be read.
    """
    properties = schema["properties"]
    try:
        texts = parse_environment_config(
            {"properties": {name: {"type": "string"} for name in properties}}, prefix
        )
    except (OSError, ValueError) as error:
        msg = f"The `.env` file cannot be read ({type(error).__name__})"
        raise SettingsError(msg, "Write it in UTF-8, and let this user read it.") from None
    return {
        name: _read(text, properties[name].get("type", ())) for name, text in texts.items() if text
    }


def tidy(config: dict[str, t.Any], schema: Mapping[str, t.Any]) -> None:
    """Take out what counts as unset, and read numbers that came as text.

    Meltano passes on a variable of its environment as text where its definition of the setting has
    another kind, and an empty variable as an empty text.

    Args:
        config: The configuration as it came; it is changed.
        schema: The settings' JSON schema.
    """
    for name, value in list(config.items()):
        setting = schema["properties"].get(name, {"type": "string"})
        optional = "default" not in setting and name not in schema.get("required", ())
        if value is None or (value == "" and optional):
            del config[name]
        elif isinstance(value, str):
            config[name] = _read(value, setting.get("type", ()))


def _read(text: str, kinds: str | list[str]) -> t.Any:
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        word = text.strip().lower()
        return word in _YES if word in _YES | _NO else text
    try:
        return json.loads(text)
    except ValueError:
        return text


# Files.


def read_config_file(path: str) -> dict[str, t.Any]:
    """Read a configuration file.

    Args:
        path: As given on the command line.

    Raises:
        SettingsError: It cannot be read, or holds no JSON object.
    """
    advice = "Pass files that hold one JSON object each."
    # What is no file may be anything, e.g. the key: only what looks like a path is quoted.
    is_path = Path(path).exists() or "/" in path or path.endswith(".json")
    what = f"The configuration file {path}" if is_path else "A configuration file"
    try:
        text = decoded(Path(path).read_bytes(), what, SettingsError)
        content: object = load_json(text)
    except (OSError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        why = f"is no JSON, see its line {line}" if line else "is no JSON"
        if isinstance(error, OSError):
            why = f"cannot be read ({error.strerror or type(error).__name__})"
        msg = f"{what} {why}"
        raise SettingsError(msg, advice) from None
    if not isinstance(content, dict):
        msg = f"{what} holds something else than settings"
        raise SettingsError(msg, advice)
    return content


def decoded(raw: bytes, what: str, error: type[TapError]) -> str:
    """Decode a file that a user passed in; a byte order mark is accepted.

    Args:
        raw: Its content.
        what: Its name, for the error.
        error: What to raise.

    Raises:
        TapError: It is in another encoding than UTF-8.
    """
    advice = "Write it in UTF-8."
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:2]:
        msg = f"{what} is in UTF-16"
        raise error(msg, f"{advice[:-1]}, in PowerShell with `-Encoding utf8`.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = f"{what} is not in UTF-8"
        raise error(msg, advice) from None


# Stream maps, and the level of the log: the SDK fails on these without a word of advice.

_NO_EXPRESSIONS = {"__else__", "__source__", "__key_properties__", "__alias__"}


def check_stream_maps(maps: t.Any) -> None:
    """Check the expressions in stream maps.

    Args:
        maps: The setting, which fits its JSON schema.

    Raises:
        SettingsError: One has a syntax error, or uses `fake` without the package for it.
    """
    for stream, mapped in (maps or {}).items():
        for name, text in mapped.items() if isinstance(mapped, dict) else ():
            if isinstance(text, str) and text != "__NULL__" and name not in _NO_EXPRESSIONS:
                _check_expression(f"{stream}.{name}", text)


def _check_expression(place: str, text: str) -> None:
    try:
        first = ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        first = None
    if not isinstance(first, ast.Expr):
        msg = f"The setting `stream_maps` has a syntax error in the expression of `{place}`"
        raise SettingsError(msg, "Correct it; expressions look like Python's: email.lower()")
    names = {node.id for node in ast.walk(first) if isinstance(node, ast.Name)}
    if "fake" in names and importlib.util.find_spec("faker") is None:
        msg = f"The setting `stream_maps` uses `fake` in the expression of `{place}`"
        raise SettingsError(msg, "Install what invents values: the extra tap-cometly[faker].")


_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def mend_log_level(environment: MutableMapping[str, str]) -> str | None:
    """Put the default in the place of a log level that Python does not know.

    Args:
        environment: The process's; it is changed.

    Returns:
        A warning to log; None when nothing was wrong.
    """
    own, common = "TAP_COMETLY_LOGLEVEL", "LOGLEVEL"
    name = own if environment.get(own) or common not in environment else common
    level = environment.get(name)
    if level is None or isinstance(logging.getLevelName(level.upper()), int):
        return None
    environment[own] = "INFO"
    return f"{name} is none of {', '.join(_LOG_LEVELS)}: INFO is used"
