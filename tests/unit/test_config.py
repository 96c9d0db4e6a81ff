"""Settings: their bounds, their dates, and errors that name them without showing secrets."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_cometly import config
from tap_cometly.config import DEFAULT_API_URL, SETTINGS_SCHEMA, Settings, schema_error
from tap_cometly.exceptions import SettingsError
from tap_cometly.timeranges import utc_text, wall_range

PROPERTIES: dict[str, dict[str, Any]] = SETTINGS_SCHEMA["properties"]
NUMERIC = sorted(name for name, s in PROPERTIES.items() if "maximum" in s)
DEFAULTS = {name: s["default"] for name, s in PROPERTIES.items() if "default" in s}

NOW = datetime(2024, 12, 1, tzinfo=timezone.utc)


def settings(**given_: Any) -> Settings:
    return Settings.of({**DEFAULTS, "api_key": "k", "start_date": "2024-01-01", **given_})


def complaint(**given_: Any) -> str:
    complete = {"api_key": "k", "start_date": "2024-01-01", **given_}
    errors = list(JSONSchemaValidator(SETTINGS_SCHEMA).iter_errors(complete))
    return str(schema_error(errors)) if errors else ""


def test_every_setting_has_title_and_description_and_every_number_its_bounds() -> None:
    for name, schema in PROPERTIES.items():
        assert schema["title"], name
        assert schema["description"].endswith("."), name
        if {"integer", "number"} & set(schema["type"]):
            assert "maximum" in schema, name
            assert {"minimum", "exclusiveMinimum"} & set(schema), name


@pytest.mark.parametrize("name", NUMERIC)
def test_bounds_and_default_are_allowed_and_nothing_beyond_the_bounds(name: str) -> None:
    schema = PROPERTIES[name]
    lowest = schema["minimum"] if "minimum" in schema else schema["exclusiveMinimum"]
    below = lowest if "exclusiveMinimum" in schema else lowest - 1

    assert complaint(**{name: schema["maximum"]}) == complaint(**{name: DEFAULTS[name]}) == ""
    assert f"`{name}` must be at most {schema['maximum']}" in complaint(
        **{name: schema["maximum"] + 1}
    )
    assert f"`{name}` must be " in complaint(**{name: below})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_refused_wherever_it_comes_from(text: str) -> None:
    given_ = {"lookback_days": text}

    config.normalize(given_, SETTINGS_SCHEMA)

    assert "`lookback_days` must be " in complaint(**given_)


def test_the_key_is_not_part_of_what_settings_show() -> None:
    assert "canary" not in repr(settings(api_key="canary"))


@pytest.mark.parametrize(
    ("start", "zone", "instant", "sent"),
    [
        ("2024-01-01", "UTC", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00"),
        ("2024-01-01", "America/Los_Angeles", "2024-01-01T08:00:00Z", "2024-01-01 00:00:00"),
        ("2024-01-01T09:30:00", "Asia/Kathmandu", "2024-01-01T03:45:00Z", "2024-01-01 09:30:00"),
        ("2024-01-01 09:30", "Asia/Kathmandu", "2024-01-01T03:45:00Z", "2024-01-01 09:30:00"),
        # Repeated: the first one, and what is sent is the last second before both.
        ("2024-11-03T01:30", "America/Los_Angeles", "2024-11-03T08:30:00Z", "2024-11-03 00:59:59"),
        # Skipped: the last second before.
        ("2024-03-10T02:30", "America/Los_Angeles", "2024-03-10T10:00:00Z", "2024-03-10 01:59:59"),
        ("2024-10-06T02:15", "Australia/Lord_Howe", "2024-10-05T15:30:00Z", "2024-10-06 01:59:59"),
        ("2024-09-08", "America/Santiago", "2024-09-08T04:00:00Z", "2024-09-07 23:59:59"),
    ],
)
def test_a_start_without_a_zone_is_the_spaces_wall_time_and_sent_as_written(
    start: str, zone: str, instant: str, sent: str
) -> None:
    given_ = settings(start_date=start, timezone=zone)

    assert utc_text(given_.start.instant) == instant
    assert wall_range(given_.start.earliest, NOW, given_.zone).start == sent


@pytest.mark.parametrize(
    ("end", "zone", "instant", "told"),
    [
        ("2024-01-03", "UTC", "2024-01-03T00:00:00Z", None),
        ("2024-01-03T00:00:00+02:00", "Asia/Tokyo", "2024-01-02T22:00:00Z", None),
        ("2024-01-03T00:00:00", "UTC", "2024-01-03T00:00:00Z", "2024-01-03T00:00:00 in UTC"),
        (
            "2024-11-03 01:30",  # repeated: the later one
            "America/Los_Angeles",
            "2024-11-03T09:30:00Z",
            "2024-11-03T01:30:00 in America/Los_Angeles",
        ),
    ],
)
def test_a_date_time_without_a_zone_is_reported_with_the_instant_understood(
    end: str, zone: str, instant: str, told: str | None
) -> None:
    given_ = settings(end_date=end, timezone=zone)

    assert given_.end
    assert utc_text(given_.end) == instant
    expected = [(f"`end_date`: {told} = {instant}", zone != "UTC")] if told else []
    naive = {"start_date": "2024-01-01", "end_date": end}
    assert list(config.naive_times(naive, given_.zone)) == expected


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        *(
            ({"end_date": text}, "`end_date` is not a date")
            for text in ("", "2024-01-01T25:00", "T")
        ),
        ({"end_date": "2024-01-01"}, "`start_date` is not before `end_date`"),
        *(
            ({"timezone": zone}, "`timezone` names no known zone")
            for zone in ("../etc/passwd", "/etc/localtime", "a\0b")
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(given_: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        settings(**given_)


@pytest.mark.parametrize("name", ["api_key", "start_date", "end_date", "timezone"])
@hypothesis_settings(max_examples=30)
@given(before=st.just("") | st.text(), key=st.from_regex(r"[A-Za-z0-9_|-]{20,60}", fullmatch=True))
def test_no_error_quotes_what_may_be_a_key(name: str, before: str, key: str) -> None:
    try:
        settings(**{name: f"{before}{key}"})
    except SettingsError as error:
        assert key not in str(error)  # noqa: PT017, nearly all are refused


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_API_URL,
        "https://app.cometly.com/public-api/v1/",
        "http://127.0.0.1:8000/public-api/v1",
        "http://[::1]:8000/public-api/v1",
        "http://localhost/public-api/v1",
        "http://127.9.9.9/",
    ],
)
def test_an_api_is_reached_by_https_or_on_loopback(url: str) -> None:
    assert settings(api_url=url).api_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.cometly.com",
        "http://app.cometly.com/public-api/v1",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
        "https://",
        "https:///public-api",
        "https://[half",
        "https://app.cometly.com:port/",
        "https://canary@app.cometly.com/",
        "https://user:canary@app.cometly.com/",
        "https://app.cometly.com/?key=canary",
        "https://app.cometly.com/#canary",
    ],
)
def test_any_other_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(SettingsError, match="`api_url`") as refusal:
        settings(api_url=url)

    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("key", ["12|AbC+/=_-.~", "x"])
def test_a_key_may_hold_any_ascii_character(key: str) -> None:
    assert settings(api_key=key).api_key == key


def test_an_environment_file_that_cannot_be_read_is_named() -> None:
    broken = UnicodeDecodeError("utf-8", b"", 0, 1, "invalid")

    with (
        mock.patch.object(config, "parse_environment_config", side_effect=broken),
        pytest.raises(SettingsError, match=r"The `\.env` file cannot be read"),
    ):
        config.settings_from_environment(SETTINGS_SCHEMA, "TAP_COMETLY_")
