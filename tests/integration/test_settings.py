"""Settings as a user meets them: one line that names the wrong one; a catalog without any."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import tempfile
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from typing_extensions import override

from tests.generated.catalogs import CATALOGS, path_of
from tests.integration.conftest import HOUR, NOW, Cometly
from tests.support.properties import PLENTY, is_silent
from tests.support.running import SCRIPT, launch, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

CANARY = "ck_canary_7f3a9"
NOTHING = {"api_key": None, "start_date": None, "api_url": None}
MODES = ["auto", "pagination", "export"]
ALL_MODES = pytest.mark.parametrize("mode", MODES)
FAKED = {"contacts": {"name": "fake.pystr()"}}


def batches(root: str) -> dict[str, Any]:
    return {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": root}}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"api_key": None}, "`api_key` is missing", "TAP_COMETLY_API_KEY"),
    ({"api_key": ""}, "`api_key` must not be empty", "--about"),
    ({"api_key": 12345}, "`api_key` must be of type string", "--about"),
    ({"api_key": [CANARY]}, "`api_key` must be of type string", "--about"),
    ({"api_key": {"key": CANARY}}, "`api_key` must be of type string", "--about"),
    ({"api_key": f"{CANARY}\n"}, "`api_key` holds a line break", "the key alone"),
    ({"api_key": f" {CANARY}"}, "`api_key` holds a blank", "the key alone"),
    ({"api_key": "\t "}, "`api_key` is blank", "the key alone"),
    ({"api_key": "ck_…"}, "`api_key` is shortened by an ellipsis", "the key alone"),
    ({"api_key": f"\u201c{CANARY}\u201d"}, "`api_key` holds a quotation mark", "the key alone"),
    ({"api_key": f"Bearer {CANARY}"}, "`api_key` begins with `Bearer`", "the key alone"),
    ({"api_key": f"{CANARY}é"}, "`api_key` holds a character that no key has", "the key alone"),
    ({"start_date": None}, "`start_date` is missing", "TAP_COMETLY_START_DATE"),
    ({"start_date": CANARY}, "`start_date` is not a date.", "2024-01-31"),
    ({"end_date": "2024-01-01/P1D"}, "`end_date` is not a date.", "2024-01-31"),
    ({"start_date": 20240101}, "`start_date` must be of type string", "--about"),
    ({"end_date": "31/01/2024"}, "`end_date` is not a date: '31/01/2024'.", "2024-01-31"),
    ({"end_date": "2024-02-30"}, "`end_date` is not a date", "2024-01-31"),
    ({"end_date": "2023-01-01"}, "`start_date` is not before `end_date`", "earlier `start_date`"),
    ({"timezone": CANARY}, "`timezone` names no known zone.", "America/Los_Angeles"),
    ({"timezone": "Europe/Pariss"}, "no known zone: 'Europe/Pariss'.", "e.g. Europe/Paris."),
    *(
        ({"timezone": name}, "`timezone` names no known zone", "IANA")
        for name in ("", "utc+1", "../UTC", "America")
    ),
    ({"page_size": 5001}, "`page_size` must be at most 5000", "--about"),
    ({"page_size": "many"}, "`page_size` must be of type integer", "--about"),
    ({"rate_limit_share": 0}, "`rate_limit_share` must be above 0", "--about"),
    ({"extraction_mode": "fast"}, "`extraction_mode` must be one of auto, pagination", "--about"),
    ({"api_url": "http://app.cometly.com"}, "`api_url` is neither https nor http on", "Leave it"),
    ({"api_url": "https://u:p@app.cometly.com"}, "`api_url` holds more than", "`api_key`"),
    (
        {"extraction_mode": "export", "include_custom_fields": True},
        "`extraction_mode: export` contradicts `include_custom_fields`",
        "auto or pagination",
    ),
    ({"stream_maps": "contacts"}, "`stream_maps` must be of type object", "--about"),
    (
        {"stream_maps": {"contacts": {"name": "nonsense("}}},
        "`stream_maps` has a syntax error in the expression of `contacts.name`",
        "Correct it",
    ),
    (
        {"stream_maps": {"contacts": {"__filter__": ""}}},
        "syntax error in the expression of `contacts.__filter__`",
        "Correct it",
    ),
    (
        {"stream_maps": {"contacts": {"__else__": "x"}}},
        "`stream_maps`, `stream_map_config`, `faker_config` and `flattening_*` cannot be used",
        "documentation",
    ),
    ({"faker_config": {"locale": "zz_ZZ"}, "stream_maps": FAKED}, "`faker_config`", "SDK's"),
    ({"batch_config": batches("gs://bucket/x")}, "a gs:// bucket", "tap-cometly[gcs]"),
    ({"batch_config": batches("nope://x")}, "`batch_config.storage.root` cannot be", "file://"),
    ({"api_key": 12345, "page_size": 0}, "`api_key`", "`page_size`"),
]


@pytest.fixture
def cometly(start_space: StartSpace) -> Cometly:
    """A Space with three contacts."""
    return start_space(3, NOW - 2 * HOUR, api_key=CANARY, limits=PLENTY)


def error_of(run: Run) -> str:
    """The one line of a run that did not begin."""
    assert (run.exit, run.raw, run.requests) == (1, b"", ())
    assert CANARY not in run.log
    assert "12345" not in run.log
    assert "Traceback" not in run.log
    [error] = run.errors
    return error


@pytest.mark.parametrize(("wrong", "what", "advice"), WRONG, ids=lambda value: str(value)[:60])
def test_a_bad_setting_is_one_line_that_names_it_and_what_to_do(
    cometly: Cometly, wrong: dict[str, Any], what: str, advice: str
) -> None:
    error = error_of(cometly.sync(**wrong))

    assert what in error
    assert advice in error


def test_a_misspelt_setting_is_named(cometly: Cometly) -> None:
    run = cometly.sync(start_date=None, start_dat=CANARY, flattening_enabled=False)

    assert run.warnings == [
        "No setting of this tap, so without effect: `start_dat`; is it `start_date`?"
    ]
    assert "`start_date` is missing" in error_of(run)


def test_an_unknown_setting_that_may_be_a_secret_is_not_quoted(cometly: Cometly) -> None:
    run = cometly.sync(**{CANARY: True})

    assert run.exit == 0
    assert [line for line in run.warnings if "does not have" in line] == [
        "A setting that this tap does not have is without effect; see --about"
    ]
    assert CANARY not in run.log


def test_a_bad_setting_is_one_line_of_the_program_too(cometly: Cometly) -> None:
    run = launch(cometly.sandbox, {"api_key": 12345, "start_date": "soon"})

    assert run.log.splitlines()[-1].endswith(error_of(run))


@pytest.mark.parametrize(
    ("setting", "package", "extra"),
    [
        ({"batch_config": batches("s3://bucket/contacts")}, "s3fs", "tap-cometly[s3]"),
        ({"stream_maps": FAKED}, "faker", "tap-cometly[faker]"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--test"]], ids=["sync", "--test"])
def test_what_needs_an_extra_names_it_at_the_start(
    cometly: Cometly, setting: dict[str, Any], package: str, extra: str, more: list[str]
) -> None:
    find = importlib.util.find_spec

    def without(name: str) -> Any:
        return None if name == package else find(name)

    with mock.patch.object(importlib.util, "find_spec", without):
        run = cometly.sync(**setting, more=more)

    assert extra in error_of(run)


# The log.


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOGLEVEL", "verbose"), ("LOGLEVEL", "10"), ("LOGLEVEL", ""), ("TAP_COMETLY_LOGLEVEL", "x")],
)
def test_an_unknown_log_level_is_a_warning(cometly: Cometly, name: str, value: str) -> None:
    run = cometly.sync(env={"TAP_COMETLY_LOGLEVEL": "", name: value})

    assert run.exit == 0
    [warning] = run.warnings
    assert f"{name} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL: INFO is used" in warning
    assert "| INFO" in run.log
    assert "| DEBUG" not in run.log


def test_an_empty_log_level_of_its_own_leaves_the_common_one(cometly: Cometly) -> None:
    run = cometly.sync(env={"TAP_COMETLY_LOGLEVEL": "", "LOGLEVEL": "warning"})

    assert (run.exit, run.log) == (0, "")


@pytest.mark.parametrize("content", ["{", "handlers: 3", "- x"])
def test_a_log_configuration_that_cannot_be_used_is_one_line(
    cometly: Cometly, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.yml"
    path.write_text(content, "utf-8")

    run = cometly.sync(env={"SINGER_SDK_LOG_CONFIG": str(path)})

    assert "SINGER_SDK_LOG_CONFIG" in error_of(run)


@pytest.mark.parametrize("others", ["", "disable_existing_loggers: false\n"])
def test_the_loggers_of_modules_are_configured_with_the_taps(
    sandbox: StartSandbox, tmp_path: Path, others: str
) -> None:
    path = tmp_path / "log.yml"
    path.write_text(
        f"{others}version: 1\n"
        "formatters: {plain: {format: 'PLAIN %(name)s %(message)s'}}\n"
        "handlers: {own: {class: logging.StreamHandler, formatter: plain}}\n"
        "loggers: {tap-cometly: {level: INFO, handlers: [own], propagate: false}}\n",
        "utf-8",
    )

    run = launch(sandbox(), env={"SINGER_SDK_LOG_CONFIG": str(path)})

    [done] = [line for line in run.log.splitlines() if "Done: 0 contacts" in line]
    assert done.startswith("PLAIN tap_cometly.runtime.progress Done: ")


LOUD = """
version: 1
disable_existing_loggers: false
handlers: {own: {class: logging.StreamHandler}}
root: {level: DEBUG, handlers: [own]}
loggers:
  urllib3: {level: DEBUG, handlers: [own]}
  urllib3.connectionpool: {level: DEBUG, handlers: [own]}
  singer_sdk.mapper: {level: DEBUG, handlers: [own]}
"""


@pytest.fixture(params=["", LOUD], ids=["the SDK's", "a loud one"])
def log_config(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variable that names a logging configuration, where there is one."""
    path = tmp_path / "log.yml"
    path.write_text(request.param, "utf-8")
    return {"SINGER_SDK_LOG_CONFIG": str(path)} if request.param else {}


class _HalfAHeader(http.server.BaseHTTPRequestHandler):
    """Answers with a header line that is none."""

    @override
    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 401 No\r\nno header\r\nContent-Length: 0\r\n\r\n")


def test_what_the_http_library_would_log_of_a_url_is_not_logged(
    sandbox: StartSandbox, log_config: dict[str, str]
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _HalfAHeader) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"

        run = launch(sandbox(), {"api_url": url}, env=log_config)
        server.shutdown()

    assert "does not accept the key" in run.log
    assert all(word not in run.log for word in ("parse headers", "Traceback", "start_date="))


def test_what_a_filter_makes_of_a_contact_is_not_logged(
    sandbox: StartSandbox, log_config: dict[str, str]
) -> None:
    started, now = sandbox(), datetime.now(timezone.utc)
    started.space.fill(3, now - 2 * HOUR, now - HOUR)

    run = launch(started, {"stream_maps": {"contacts": {"__filter__": "email"}}}, env=log_config)

    assert (run.exit, len(run.records)) == (0, 3)
    is_silent(run, started)


# The files.


@pytest.mark.parametrize("option", ["state", "catalog", "config"])
@pytest.mark.parametrize(
    ("encoding", "what"),
    [("utf-16", "is in UTF-16"), ("utf-16-le", "is in UTF-16"), ("latin-1", "is not in UTF-8")],
)
def test_a_file_in_another_encoding_is_named(
    cometly: Cometly, tmp_path: Path, option: str, encoding: str, what: str
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes('{"é": 1}'.encode(encoding))

    error = error_of(cometly.sync(more=[f"--{option}", str(path)]))

    assert what in error
    assert "UTF-8" in error
    assert option.replace("config", "configuration") in error


def test_a_byte_order_mark_is_accepted(cometly: Cometly, tmp_path: Path) -> None:
    catalog = json.loads(path_of("catalog").read_text("utf-8"))
    contents: dict[str, Any] = {"config": {"page_size": 7}, "state": {}, "catalog": catalog}
    given = []
    for name, content in contents.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())
        given += [f"--{name}", str(path)]

    run = cometly.sync(more=given)

    assert (run.exit, run.requests[0].query["per_page"]) == (0, "7")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "one JSON object"),
        ("{", "one JSON object"),
        ("null", "one JSON object"),
        (f'"{CANARY}"', "one JSON object"),
        (f'{{"api_key": "{CANARY}",}}', "one JSON object"),
        (
            f'{{\n  "api_key": "{CANARY}",\n  "start_date" "2024"\n}}',
            "is not valid JSON, see its line 3",
        ),
    ],
    ids=["empty", "cut", "null", "text", "comma", "no colon"],
)
def test_a_configuration_that_is_no_json_object_is_one_line(
    cometly: Cometly, content: str, what: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(content, "utf-8")

    error = error_of(cometly.sync(more=["--config", str(config)]))

    assert what in error
    assert str(config) in error


def test_a_key_in_the_place_of_a_file_is_not_quoted(cometly: Cometly) -> None:
    run = cometly.sync(more=["--config", CANARY])

    assert "A configuration file cannot be read" in error_of(run)


def test_null_stands_for_the_default(cometly: Cometly, tmp_path: Path) -> None:
    nulls = {"timezone": None, "page_size": None, "end_date": None, "stream_maps": None}
    (tmp_path / "config.json").write_text(json.dumps(nulls), "utf-8")

    run = cometly.sync(more=["--config", str(tmp_path / "config.json")])

    assert run.exit == 0, run.log
    assert run.requests[0].query["per_page"] == "5000"


# What the machine lacks.


@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_no_directory_for_temporary_files_is_told_where_one_is_needed(
    cometly: Cometly, mode: str
) -> None:
    nowhere = FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    with mock.patch.object(tempfile, "TemporaryFile", side_effect=nowhere):
        run = cometly.sync(extraction_mode=mode)

    assert run.exit == (mode == "export")
    assert [error for error in run.errors if "Set TMPDIR" in error] == run.errors


@ALL_MODES
def test_no_more_threads_are_told(cometly: Cometly, mode: str) -> None:
    refused = RuntimeError("can't start new thread")
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        if thread.name == "tap-cometly":
            raise refused
        start(thread)

    with mock.patch.object(threading.Thread, "start", started):
        run = sync(cometly.sandbox, {"extraction_mode": mode})

    assert run.exit == 1
    [error] = run.errors
    assert "ulimit -u" in error


# The environment.

FROM_ENV = ["--config=ENV"]


def test_settings_come_from_the_environment_too(cometly: Cometly) -> None:
    env = {
        "TAP_COMETLY_API_KEY": CANARY,
        "TAP_COMETLY_START_DATE": "2024-01-01",
        "TAP_COMETLY_API_URL": cometly.sandbox.api_url,
        "TAP_COMETLY_PAGE_SIZE": "2",
        "TAP_COMETLY_LOOKBACK_DAYS": "0.5",
        "TAP_COMETLY_INCLUDE_ALL_EMAILS": "false",
        "TAP_COMETLY_STREAM_MAPS": "{}",
    }

    run = cometly.sync(**NOTHING, env=env, more=FROM_ENV)

    assert run.ids == cometly.space.ids(), run.log
    assert run.requests[0].query["per_page"] == "2"
    assert CANARY not in run.log


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("PAGE_SIZE", CANARY, "`page_size` must be of type integer"),
        ("PAGE_SIZE", "0", "`page_size` must be at least 1"),
        ("LOOKBACK_DAYS", "-0.5", "`lookback_days` must be at least 0"),
        ("INCLUDE_ALL_EMAILS", "maybe", "`include_all_emails` must be of type boolean"),
        ("STREAM_MAPS", f'{{"{CANARY}', "`stream_maps` must be of type object"),
        ("START_DATE", "", "`start_date` is missing"),
    ],
)
def test_a_bad_setting_of_the_environment_is_one_line_too(
    cometly: Cometly, name: str, value: str, what: str
) -> None:
    given = {"start_date": None} if name == "START_DATE" else {}

    run = cometly.sync(**given, env={f"TAP_COMETLY_{name}": value}, more=FROM_ENV)

    assert what in error_of(run)


def test_an_empty_variable_counts_as_unset(cometly: Cometly) -> None:
    names = ("END_DATE", "TIMEZONE", "PAGE_SIZE", "LOOKBACK_DAYS", "STREAM_MAPS", "BATCH_CONFIG")

    run = cometly.sync(env={f"TAP_COMETLY_{name}": "" for name in names}, more=FROM_ENV)

    assert run.exit == 0, run.log
    assert run.requests[0].query["per_page"] == "5000"


# Settings at their limits.


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("start", ["0001-01-02", "0001-01-02T00:00:00Z"])
def test_a_start_of_long_ago_means_everything(cometly: Cometly, start: str, zone: str) -> None:
    cometly.change(timezone=zone)

    cometly.is_complete(cometly.sync(start_date=start, timezone=zone))


@ALL_MODES
def test_every_number_may_be_a_fraction_where_seconds_and_days_are(
    cometly: Cometly, mode: str
) -> None:
    fractions = {
        "export_timeout": 1800.5,
        "lookback_days": 0.5,
        "settle_seconds": 0.25,
        "rate_limit_share": 0.75,
        "request_timeout": 9.5,
    }
    state = {"bookmarks": {"contacts": {"replication_key_value": NOW.isoformat()}}}

    run = cometly.sync(state, **fractions, extraction_mode=mode)

    assert (run.exit, run.ids) == (0, cometly.space.ids())


@ALL_MODES
def test_a_space_without_contacts_takes_no_export_and_ends_with_a_schema_and_a_state(
    start_space: StartSpace, mode: str
) -> None:
    space = start_space()

    run = space.sync(extraction_mode=mode)

    assert [line["type"] for line in run.lines] == ["SCHEMA", "STATE"]
    assert space.calls.keys() == {"list"}
    space.is_complete(run)


@pytest.mark.parametrize("state", [None, "2030-01-01T00:00:00Z"])
def test_a_start_in_the_future_reads_nothing(cometly: Cometly, state: str | None) -> None:
    before = {"bookmarks": {"contacts": {"replication_key_value": state}}} if state else None

    run = cometly.sync(before, start_date="2099-01-01")

    assert (run.exit, run.records, run.bookmark) == (0, [], state)
    assert len(run.requests) == bool(state)  # what time it is there


# Without any.


@pytest.mark.parametrize(("name", "options"), CATALOGS.items())
def test_the_catalog_is_the_one_of_the_snapshot_without_key_and_network(
    cometly: Cometly, name: str, options: tuple[str, ...]
) -> None:
    run = cometly.sync(**NOTHING, **dict.fromkeys(options, True), more=["--discover"])

    assert run.exit == 0, run.log
    assert run.raw.decode() == path_of(name).read_text("utf-8")
    assert run.hosts == frozenset()


@pytest.mark.parametrize("option", ["--help", "--version", "--about"])
def test_asking_for_help_needs_no_settings(option: str) -> None:
    done = subprocess.run([SCRIPT, option], capture_output=True, check=True)  # noqa: S603, ours

    assert done.stderr == b""
