"""The settings of a run, checked and typed, and what to say when they are wrong."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from difflib import get_close_matches
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tap_cometly.dates import read_date, read_instant
from tap_cometly.errors import SettingsError
from tap_cometly.settings_schema import DEFAULT_API_URL, EXPORT
from tap_cometly.space_time import first_instant, last_instant

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date

    from jsonschema import ValidationError


_EARLIEST = datetime(1000, 1, 1, tzinfo=timezone.utc)  # leaves room to look around in every zone
_RESEMBLING = 0.8  # of 1, as `difflib` has it


@dataclass(frozen=True)
class Settings:
    """The settings of one run, checked and typed."""

    api_key: str = field(repr=False)
    start: datetime
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
        zone = _zone(config["timezone"])
        start = _instant(config, "start_date", first_instant, zone)
        end = _instant(config, "end_date", last_instant, zone) if "end_date" in config else None
        if end is not None and start >= end:
            msg = "The setting `start_date` is not before `end_date`"
            raise SettingsError(msg, "Set an earlier `start_date` or a later `end_date`.")
        if config["extraction_mode"] == EXPORT and config["include_custom_fields"]:
            msg = "The setting `extraction_mode: export` contradicts `include_custom_fields`"
            advice = "Exports have no custom fields: set `extraction_mode` to auto or pagination."
            raise SettingsError(msg, advice)
        checked: dict[str, t.Any] = {
            "start": max(start, _EARLIEST),
            "end": end,
            "zone": zone,
            "api_url": _api_url(config["api_url"]),
        }
        plain: dict[str, t.Any] = {
            name: _plain(config[name]) for name in cls.__dataclass_fields__ if name not in checked
        }
        return cls(**plain, **checked)


def _plain(value: t.Any) -> t.Any:
    """Undo what the SDK makes of a fraction in a file: nothing else here counts in decimals."""
    return float(value) if isinstance(value, Decimal) else value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"The setting `timezone` names no known zone: {name!r}"
        advice = "Use the IANA name of the Space's zone, e.g. America/Los_Angeles."
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
        msg = f"The setting `{name}` is no date: {config[name]!r}"
        advice = "Write it like 2024-01-31 or 2024-01-31T09:30:00Z."
        raise SettingsError(msg, advice) from None


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
    advice = "Run `tap-cometly --about` to see every setting with its bounds."
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
