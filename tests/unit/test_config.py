"""Settings: their bounds, their dates, and errors that name them without showing secrets."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.plugin_base import JSONSchemaValidator

from tap_cometly import config
from tap_cometly.config import DEFAULT_API_URL, SETTINGS_SCHEMA, Settings, explain, is_loopback
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
    return str(explain(errors)) if errors else ""


def test_every_setting_has_title_and_description_and_every_number_its_bounds() -> None:
    for name, schema in PROPERTIES.items():
        assert schema["title"], name
        assert schema["description"].endswith("."), name
        if {"integer", "number"} & set(schema["type"]):
            assert "maximum" in schema, name
            assert {"minimum", "exclusiveMinimum"} & set(schema), name


def test_defaults_do_not_change_unnoticed() -> None:
    assert DEFAULTS == {
        "timezone": "UTC",
        "include_comet_tokens": False,
        "include_all_emails": False,
        "include_custom_fields": False,
        "extraction_mode": "auto",
        "export_threshold": 10_000,
        "export_target_size": 250_000,
        "max_parallel_exports": 4,
        "export_timeout": 3_600,
        "page_size": 5_000,
        "lookback_days": 0,
        "settle_seconds": 60,
        "rate_limit_share": 1.0,
        "request_timeout": 60,
        "api_url": "https://app.cometly.com/public-api/v1",
        "emit_activate_version_messages": False,
    }


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_defaults_lie_within_their_own_bounds(name: str) -> None:
    assert complaint(**{name: DEFAULTS[name]}) == ""


@pytest.mark.parametrize("name", NUMERIC)
def test_bounds_themselves_are_allowed_and_nothing_beyond_them(name: str) -> None:
    schema = PROPERTIES[name]
    lowest = schema["minimum"] if "minimum" in schema else schema["exclusiveMinimum"]
    below = lowest if "exclusiveMinimum" in schema else lowest - 1

    assert complaint(**{name: schema["maximum"]}) == ""
    assert f"`{name}` must be at most {schema['maximum']}" in complaint(
        **{name: schema["maximum"] + 1}
    )
    assert f"`{name}` must be " in complaint(**{name: below})


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"api_key": None}, "`api_key` must be of type string"),
        ({"api_key": 12345}, "`api_key` must be of type string"),
        ({"api_key": ""}, "`api_key` must not be empty"),
        ({"page_size": "many"}, "`page_size` must be of type integer"),
        ({"include_all_emails": "yes"}, "`include_all_emails` must be of type boolean"),
        ({"extraction_mode": "fast"}, "one of auto, pagination, export"),
    ],
)
def test_a_complaint_names_the_setting_and_what_it_should_be(
    given_: dict[str, Any], says: str
) -> None:
    assert says in complaint(**given_)


@given(st.dictionaries(st.sampled_from(sorted(PROPERTIES)), st.integers(123_456_789, 10**12)))
def test_a_complaint_never_shows_a_value(given_: dict[str, int]) -> None:
    text = complaint(**given_)

    assert not [value for value in given_.values() if str(value) in text]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_refused_wherever_it_comes_from(text: str) -> None:
    given_ = {"lookback_days": text}

    config.tidy(given_, SETTINGS_SCHEMA)

    assert "`lookback_days` must be " in complaint(**given_)


@pytest.mark.parametrize("value", [None, "null"])
def test_null_counts_as_unset_wherever_it_comes_from(value: str | None) -> None:
    given_ = {"export_threshold": value}

    config.tidy(given_, SETTINGS_SCHEMA)

    assert given_ == {}


def test_what_is_missing_is_told_with_its_environment_variable() -> None:
    text = str(explain(JSONSchemaValidator(SETTINGS_SCHEMA).iter_errors({})))

    assert "`api_key` is missing (in Meltano, or with `--config=ENV`: TAP_COMETLY_API_KEY)" in text
    assert (
        "`start_date` is missing (in Meltano, or with `--config=ENV`: TAP_COMETLY_START_DATE)"
        in text
    )


def test_the_key_is_not_part_of_what_settings_show() -> None:
    assert "canary" not in repr(settings(api_key="canary"))


@pytest.mark.parametrize(
    ("start", "zone", "instant"),
    [
        ("2024-01-01", "UTC", "2024-01-01T00:00:00Z"),
        ("2024-01-01", "America/Los_Angeles", "2024-01-01T08:00:00Z"),
        ("2024-01-01T09:30:00", "Asia/Kathmandu", "2024-01-01T03:45:00Z"),
        ("2024-01-01 09:30", "Asia/Kathmandu", "2024-01-01T03:45:00Z"),
        ("2024-01-01T09:30:00Z", "Asia/Kathmandu", "2024-01-01T09:30:00Z"),
        ("2024-01-01T09:30:00+02:00", "Asia/Kathmandu", "2024-01-01T07:30:00Z"),
        ("2024-11-03T01:30:00", "America/Los_Angeles", "2024-11-03T08:30:00Z"),  # the first one
        ("2024-03-10T02:30:00", "America/Los_Angeles", "2024-03-10T10:00:00Z"),  # skipped
        ("2024-09-08", "America/Santiago", "2024-09-08T04:00:00Z"),  # no midnight
    ],
)
def test_a_start_without_a_zone_is_the_spaces_wall_time(
    start: str, zone: str, instant: str
) -> None:
    assert utc_text(settings(start_date=start, timezone=zone).start.instant) == instant


@pytest.mark.parametrize(
    ("start", "zone", "sent"),
    [
        ("2024-09-08", "America/Santiago", "2024-09-07 23:59:59"),
        ("2024-03-10T02:30:00", "America/Los_Angeles", "2024-03-10 01:59:59"),
        ("2024-03-10T03:30:00", "America/Los_Angeles", "2024-03-10 03:30:00"),
        ("2024-10-06T02:15:00", "Australia/Lord_Howe", "2024-10-06 01:59:59"),
        ("2024-03-10", "America/Los_Angeles", "2024-03-10 00:00:00"),
        ("2024-11-03T01:30:00", "America/Los_Angeles", "2024-11-03 00:30:00"),
    ],
)
def test_a_start_without_a_zone_is_sent_as_it_is_written_or_as_an_earlier_one(
    start: str, zone: str, sent: str
) -> None:
    given_ = settings(start_date=start, timezone=zone)

    assert wall_range(given_.start.earliest, NOW, given_.zone).start == sent


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"start_date": "2024-01-01"}, []),
        ({"start_date": "2024-01-01T00:00:00Z"}, []),
        ({"start_date": "2024-01-01T00:00:00+02:00", "end_date": "2024-01-03"}, []),
        (
            {"start_date": "2024-01-01T00:00:00"},
            [("`start_date`: 2024-01-01T00:00:00 in UTC = 2024-01-01T00:00:00Z", False)],
        ),
        (
            {"start_date": "2024-01-01T00:00:00", "timezone": "Asia/Tokyo"},
            [("`start_date`: 2024-01-01T00:00:00 in Asia/Tokyo = 2023-12-31T15:00:00Z", True)],
        ),
        (
            {
                "start_date": "2024-01-01",
                "end_date": "2024-11-03 01:30",
                "timezone": "America/Los_Angeles",
            },
            [
                (
                    "`end_date`: 2024-11-03T01:30:00 in America/Los_Angeles = 2024-11-03T09:30:00Z",
                    True,
                )
            ],
        ),
    ],
)
def test_it_is_told_how_a_date_time_without_a_zone_was_understood(
    given_: dict[str, str], told: list[tuple[str, bool]]
) -> None:
    zone = ZoneInfo(given_.get("timezone", "UTC"))

    assert list(config.naive_times(given_, zone)) == told


def test_an_end_within_a_repeated_hour_is_the_later_one() -> None:
    end = settings(end_date="2024-11-03T01:30:00", timezone="America/Los_Angeles").end

    assert end is not None
    assert utc_text(end) == "2024-11-03T09:30:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2024", "1704067200", "P1D", "2024-13-01", "2024-01-01T25:00", "01/02/2024", "T"],
)
@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_what_is_no_date_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` is no date"):
        settings(**{name: text})


@given(st.text())
def test_no_text_is_too_odd_for_a_date(text: str) -> None:
    try:
        settings(start_date=text)
    except SettingsError as error:
        assert "`start_date`" in str(error)  # noqa: PT017, most texts are refused, not all


@pytest.mark.parametrize("end", ["2024-01-01", "2023-12-31T23:59:59Z", "1999-01-01"])
def test_a_start_that_is_not_before_the_end_is_refused(end: str) -> None:
    with pytest.raises(SettingsError, match="`start_date` is not before `end_date`"):
        settings(end_date=end)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "utc+1", "../etc/passwd", "/etc/localtime", "America", "a\0b"]
)
def test_an_unknown_zone_is_refused_and_never_read_as_utc(zone: str) -> None:
    with pytest.raises(SettingsError, match="`timezone` names no known zone"):
        settings(timezone=zone)


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_API_URL,
        "https://app.cometly.com/public-api/v1/",
        "http://127.0.0.1:8000/public-api/v1",
        "http://[::1]:8000/public-api/v1",
        "http://localhost/public-api/v1",
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
def test_any_other_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="`api_url`") as refusal:
        settings(api_url=url)

    assert "canary" not in str(refusal.value)


def test_exports_have_no_custom_fields() -> None:
    with pytest.raises(SettingsError, match="contradicts `include_custom_fields`"):
        settings(extraction_mode="export", include_custom_fields=True)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), (None, False)],
)
def test_loopback(host: str | None, *, is_here: bool) -> None:
    assert is_loopback(host) is is_here


@pytest.mark.parametrize(
    "key", ["ck_live_7f3a9", "12|AbC+/=_-.~", "a.b.c", "x"], ids=["plain", "signs", "dots", "short"]
)
def test_a_key_may_hold_any_sign(key: str) -> None:
    assert settings(api_key=key).api_key == key


@given(st.text(), st.text())
def test_no_refusal_of_a_key_quotes_it(before: str, after: str) -> None:
    told = ""

    try:
        settings(api_key=f"{before}canary-of-a-key{after}")
    except SettingsError as error:
        told = str(error)

    assert "canary" not in told


@pytest.mark.parametrize("name", ["start_date", "end_date", "timezone"])
@given(text=st.from_regex(r"[A-Za-z0-9_|-]{20,60}", fullmatch=True))
def test_no_refusal_quotes_what_may_be_a_key(name: str, text: str) -> None:
    try:
        settings(**{name: text})
    except SettingsError as error:
        assert text not in str(error)  # noqa: PT017, nearly all are refused


def test_a_zone_that_is_nearly_one_is_recognized() -> None:
    with pytest.raises(SettingsError, match=r"e\.g\. America/Los_Angeles\."):
        settings(timezone="America/Los_Angelos")


def test_an_environment_file_that_cannot_be_read_is_told() -> None:
    broken = UnicodeDecodeError("utf-8", b"", 0, 1, "invalid")

    with (
        mock.patch.object(config, "parse_environment_config", side_effect=broken),
        pytest.raises(SettingsError, match=r"The `\.env` file cannot be read"),
    ):
        config.settings_from_environment(SETTINGS_SCHEMA, "TAP_COMETLY_")


@pytest.mark.parametrize(
    "maps",
    [
        None,
        {},
        {"contacts": None},
        {"contacts": "__NULL__", "__else__": None},
        {"contacts": {"name": "name.upper()", "phone": None, "email": "__NULL__"}},
        {"contacts": {"__alias__": "my people", "__key_properties__": ["id"], "__else__": None}},
    ],
)
def test_stream_maps_without_syntax_errors_pass(maps: Any) -> None:
    config.check_stream_maps(maps)


@pytest.mark.parametrize("text", ["nonsense(", "", "x = 1", "a\0b", " indented", "(" * 500])
def test_a_syntax_error_in_a_stream_map_is_told_as_one(text: str) -> None:
    with pytest.raises(SettingsError, match=r"syntax error in the expression of `contacts\.name`"):
        config.check_stream_maps({"contacts": {"name": text}})
