"""Export files that are late, broken, cut or enormous: section The file of the catalogue."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from typing_extensions import override

from tap_cometly.runtime.clock import Clock
from tests.integration.conftest import MINUTE, NOW, UTC, Cometly
from tests.sandbox import Fault, dated
from tests.support.properties import PLENTY, check
from tests.support.running import SCRIPT, arguments, config_for, environment, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=UTC)
CONTACTS = 300
EXPORT = {"extraction_mode": "export"}
MEMBERS = 3
MB = 2**20


@pytest.fixture
def one_file(start_space: StartSpace) -> Cometly:
    """Contacts that fit one export."""
    return start_space(CONTACTS, FIRST, config=EXPORT)


def heals(run: Run, cometly: Cometly, *, jobs: int, downloads: int) -> None:
    calls = cometly.calls
    assert (calls["create"], calls["file"]) == (jobs, downloads)
    cometly.is_complete(run)


def is_loud(run: Run, cometly: Cometly, *words: str) -> None:
    assert (run.records, run.bookmark) == ([], None)
    cometly.is_loud(run, *words)


# URLs


@pytest.mark.parametrize(
    ("refusals", "jobs"), [(1, 1), (3, 1), (4, 2)], ids=["once", "three times", "once more"]
)
def test_a_refused_url_is_replaced_by_a_fresh_one_and_at_last_by_a_new_job(
    one_file: Cometly, refusals: int, jobs: int
) -> None:
    one_file.fault("file", status=403, times=refusals)

    run = one_file.sync()

    assert one_file.calls["poll"] > refusals
    assert one_file.seconds > refusals
    heals(run, one_file, jobs=jobs, downloads=refusals + 1)


def test_urls_that_are_always_refused_leave_the_window_to_pages(one_file: Cometly) -> None:
    one_file.change(url_lifetime=0.0)

    run = one_file.sync()

    assert run.warnings[-1].endswith("by pages")
    heals(run, one_file, jobs=2, downloads=8)


def test_a_url_that_expires_during_the_download_is_replaced_by_a_fresh_one(
    one_file: Cometly,
) -> None:
    one_file.change(url_lifetime=0.5)  # shorter than the pause
    one_file.fault("file", "cut")

    run = one_file.sync()

    broken, whole = (call.query for call in run.requests if call.endpoint == "file")
    assert broken["X-Amz-Signature"] != whole["X-Amz-Signature"]
    heals(run, one_file, jobs=1, downloads=2)


# Places that a URL or a redirect must not lead to; `check` looks whom the run connected to.

CREDENTIALS = "ada:canary_password"
ASTRAY = {
    "http": "http://files.example.com/f",
    "https with credentials": f"https://{CREDENTIALS}@files.example.com/f",
    "loopback with credentials": f"http://{CREDENTIALS}@127.0.0.1:9/f",
}


@pytest.mark.parametrize("location", ASTRAY.values(), ids=ASTRAY)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_from_the_store_is_refused(
    one_file: Cometly, location: str, status: int
) -> None:
    one_file.fault("file", times=None, status=status, headers={"Location": location})

    run = one_file.sync()

    assert "canary_password" not in run.log
    is_loud(run, one_file, f"the store answered with status {status}")


MALFORMED = ["https://[bad/f", "https://", "/f", "https://x:99999/f", "https://\u2100.com/f"]
TOO_LONG = f"https://{'a' * 64}.example.com/f"


@pytest.mark.parametrize("url", [*MALFORMED, TOO_LONG, *ASTRAY.values()])
def test_a_url_that_is_malformed_or_to_http_or_has_credentials_is_refused(
    one_file: Cometly, url: str
) -> None:
    def elsewhere(answer: dict[str, Any]) -> None:
        if "download_url" in answer:
            answer["download_url"] = url

    one_file.fault("poll", "edit", times=None, edit=elsewhere)

    run = one_file.sync()

    assert len(run.hosts) == 1  # the API
    assert "canary_password" not in run.log
    is_loud(run, one_file, "stayed unusable: its URL is ")


def test_a_target_that_reads_nothing_for_long_does_not_matter(
    sandbox: StartSandbox, tmp_path: Path
) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0, url_lifetime=1.0))
    ids = cometly.space.fill(5_000, FIRST, NOW)

    with _started(cometly, tmp_path) as process:
        out = process.stdout
        assert out
        head = out.readline()
        time.sleep(2.0)  # the pipe is full, and every URL has expired
        raw, _ = process.communicate()
        lines = [json.loads(line) for line in (head + raw).splitlines()]

    assert process.returncode == 0
    assert {line["record"]["id"] for line in lines if line["type"] == "RECORD"} == set(ids)
    assert cometly.log_calls()["file"] == 1


# Downloads


BROKEN: dict[str, dict[str, Any]] = {
    **{
        f"reset after {percent} %": {"kind": "cut", "fraction": percent / 100}
        for percent in (10, 50, 99)
    },
    "closed in good manners": {"kind": "cut", "fraction": 0.5, "reset": False},
    "reset, length unknown": {"kind": "cut", "fraction": 0.5, "content_length": False},
    "truncated": {"kind": "truncate", "fraction": 0.5},
    "truncated, length unknown": {"kind": "truncate", "fraction": 0.5, "content_length": False},
    "truncated in the trailer": {"kind": "truncate", "bytes": -4},
    "truncated in the header": {"kind": "truncate", "bytes": 5},
    "a flipped bit": {"kind": "flip"},
    "trailing junk": {"kind": "append"},
    "a web page": {"kind": "garbage"},
    "0 bytes": {"kind": "empty"},
    "no gzip": {"kind": "replace", "body": b'{"id":1}\n'},
    "a size of 5,000 digits": {
        "kind": "status",
        "status": 206,
        "headers": {"Content-Range": f"bytes 0-1/{'9' * 5_000}"},
    },
    "a redirect": {"kind": "status", "status": 302, "headers": {"Location": "http://127.0.0.2/"}},
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_downloaded_again_from_the_start(
    one_file: Cometly, fault: dict[str, Any]
) -> None:
    one_file.fault("file", **fault)

    run = one_file.sync()

    ranges = {call.headers["range"] for call in run.requests if call.endpoint == "file"}
    assert ranges == {"bytes=0-"}
    heals(run, one_file, jobs=1, downloads=2)


EMPTY: dict[str, Any] = {"kind": "replace", "body": gzip.compress(b"")}


@pytest.mark.parametrize(
    ("fault", "times"),
    [(BROKEN["a flipped bit"], 3), (BROKEN["a web page"], 3), ({"status": 404}, 1), (EMPTY, 1)],
    ids=["a flipped bit", "a web page", "404", "valid gzip of nothing"],
)
def test_a_file_that_stays_broken_is_created_again(
    one_file: Cometly, fault: dict[str, Any], times: int
) -> None:
    one_file.fault("file", times=times, **fault)

    heals(one_file.sync(), one_file, jobs=2, downloads=times + 1)


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_files_that_are_always_broken_are_an_error(
    one_file: Cometly, fault: dict[str, Any]
) -> None:
    one_file.fault("file", times=None, **fault)

    run = one_file.sync()

    assert one_file.calls["create"] == 2
    told = "The export file of 2023-12-30T22:00:00Z to "
    is_loud(run, one_file, told, "extraction_mode: pagination")


def test_files_that_are_always_empty_are_an_error(one_file: Cometly) -> None:
    one_file.fault("file", times=None, **EMPTY)

    is_loud(one_file.sync(), one_file, "lacks contacts that the list shows", "extraction_mode")


@pytest.mark.parametrize(
    "short", ["at a member's end", "at a member's end, length unknown", "after a newline"]
)
def test_a_file_that_ends_where_it_could_end_is_found_to_be_short(
    one_file: Cometly, short: str
) -> None:
    one_file.change(gzip_members=MEMBERS)
    file = _file_of(one_file)
    end = file.index(b"\x1f\x8b\x08", 1)  # where the second member begins
    faults: dict[str, dict[str, Any]] = {
        "at a member's end": {"kind": "cut", "bytes": end, "reset": False},
        "at a member's end, length unknown": {
            "kind": "truncate",
            "bytes": end,
            "content_length": False,
        },
        "after a newline": {"kind": "replace", "body": _without_end(file[:end])},
    }
    one_file.fault("file", **faults[short])

    run = one_file.sync()

    assert "downloading it again" in run.log
    one_file.is_complete(run)


def _file_of(cometly: Cometly) -> bytes:
    """The bytes of the file that the next export will have, too."""
    headers = {"Authorization": f"Bearer {cometly.sandbox.options.api_key}"}
    url = f"{cometly.sandbox.api_url}/contacts/exports"
    body = {"start_date": "2024-01-01 00:00:00", "end_date": "2024-06-01 11:59:00"}
    job = requests.post(url, json=body, headers=headers, timeout=10).json()["export_id"]
    cometly.clock.advance(MINUTE)
    done = requests.get(f"{url}/{job}", headers=headers, timeout=10).json()
    file = requests.get(done["download_url"], timeout=10).content
    cometly.sandbox.clear_requests()
    return file


def _without_end(member: bytes) -> bytes:
    """A gzip member that holds all of its content, flushed, but not its trailer."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(gzip.decompress(member)) + packer.flush(zlib.Z_FULL_FLUSH)


class HastyClock(Clock):
    """A minute goes by in every second."""

    @override
    def fresh(self) -> HastyClock:
        return HastyClock()

    @override
    def monotonic(self) -> float:
        return time.monotonic() * 60


def test_a_download_slower_than_1_kb_a_second_is_begun_again(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(queued_seconds=0.0))
    cometly.space.fill(CONTACTS, FIRST, NOW)
    cometly.fault(Fault("file", "trickle", bytes_per_second=1_000))

    run = sync(cometly, {**EXPORT, "end_date": NOW.isoformat()}, clock=HastyClock())

    assert "too slowly" in run.log
    assert cometly.log_calls()["file"] == 2
    check(run, cometly)


# Files as they may be


SHAPES: dict[str, dict[str, Any]] = {
    "Content-Encoding: gzip": {"content_encoding": True},
    "several members": {"gzip_members": MEMBERS},
    "an empty member": {"gzip_members": MEMBERS, "empty_member": True},
    "no last newline": {"last_newline": False},
    "CRLF": {"crlf": True},
    "blank lines": {"blank_lines": True},
    "oldest first": {"file_order": "oldest"},
    "shuffled": {"file_order": "shuffled"},
    "length unknown": {"content_length": False},
    "plain UTF-8": {"unicode_escaped": False},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_file_is_read_whatever_its_form(one_file: Cometly, shape: dict[str, Any]) -> None:
    one_file.change(**shape)

    run = one_file.sync()

    assert one_file.calls["create"] == 1
    assert run.warnings == []
    one_file.is_complete(run)


# Files as they must not be


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in Linux's unit")
@pytest.mark.parametrize("kind", ["10 GB of zeros", "a line of 64 MB"])
def test_an_enormous_file_is_an_error_and_takes_no_memory(
    sandbox: StartSandbox, tmp_path: Path, kind: str
) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(CONTACTS, FIRST, NOW)
    usual = _memory(cometly, tmp_path, expected=0)
    if kind == "10 GB of zeros":
        body = gzip.compress(bytes(10 * MB)) * 1000  # a thousandth of its content
    else:
        body = gzip.compress(b'{"id": 1, "name": "' + b"x" * 64 * MB + b'"}\n')
    cometly.fault(Fault("file", "replace", times=None, body=body))

    assert _memory(cometly, tmp_path, expected=1) < usual + 30 * MB


_MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""  # in a small process: the memory of the one that forks counts, too


def _memory(cometly: Sandbox, folder: Path, expected: int) -> int:
    """The most memory that a run had, in bytes."""
    with _started(cometly, folder, sys.executable, "-c", _MEASURED) as process:
        _, log = process.communicate()
    assert process.returncode == expected
    assert list((folder / "spool").iterdir()) == []
    return int(log.split()[-1]) * 1024


def test_a_full_disk_is_an_error_that_names_the_directory(
    sandbox: StartSandbox, tmp_path: Path
) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(3_000, FIRST, NOW)
    little_room = ("sh", "-c", 'ulimit -f 1; exec "$@"', "sh")

    with _started(cometly, tmp_path, *little_room) as process:
        out, log = process.communicate()

    [error] = [line for line in log.decode().splitlines() if "| ERROR" in line]
    assert process.returncode == 1
    assert f"cannot be stored in {tmp_path / 'spool'}: File too large" in error
    assert "TMPDIR" in error
    assert b"RECORD" not in out
    assert "Traceback" not in log.decode()


def _started(cometly: Sandbox, folder: Path, *wrapper: str) -> subprocess.Popen[bytes]:
    config = config_for(cometly, {**EXPORT, "end_date": NOW.isoformat()})
    return subprocess.Popen(  # noqa: S603, our own script
        [*wrapper, str(SCRIPT), *arguments(folder, config)],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
