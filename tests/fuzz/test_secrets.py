"""No key, signature, body or contact in any line of a log, whatever happens, DEBUG included."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Fault, Sandbox, dated
from tests.support.clock import FakeClock
from tests.support.properties import PLENTY, is_silent
from tests.support.running import launch, sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.running import Run

NOW = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
KEY = "ck_c4n4ry-key_0123456789"
BODY = "c4n4ry-body"
SIGNATURE = "c4n4ry-signature"
PERSON = {
    "email": "c4n4ry.person@example.com",
    "name": "C4n4ry Name",
    "phone": "+1 555 0100 c4n4ry",
    "location": "C4n4ry City",
    "emails": ["c4n4ry.other@example.com"],
    "comet_tokens": ["c4n4ry-token"],
    "profile_fields": {1: "c4n4ry field", 16: "c4n4ry number"},
}
CANARIES = (KEY, BODY, SIGNATURE, "4n4ry")
PAGES = {"extraction_mode": "pagination", "page_size": 4}
ONE_EXPORT = {"extraction_mode": "export"}
EXPORTS = {**ONE_EXPORT, "export_target_size": 10}
ALL = {"include_comet_tokens": True, "include_all_emails": True}
FOR_EVER = None
ABOUT = f"{BODY} {KEY} https://x.example.com/f?X-Amz-Signature={SIGNATURE}"
SCRUBBED = json.dumps({"message": ABOUT.replace(BODY, "c4n4ry@example.com")}).encode()
MESSAGE = json.dumps({"message": ABOUT, "errors": {"start_date": [ABOUT]}}).encode()


@dataclass(frozen=True)
class Case:
    """What goes wrong, and whether the run survives it."""

    config: dict[str, Any]
    faults: Sequence[Fault] = ()
    exit: int = 0
    catalog: Any = None
    state: Any = None


def always(endpoint: Any, kind: Any = "status", **more: Any) -> tuple[Fault, ...]:
    return (Fault(endpoint, kind, times=FOR_EVER, **more),)


def at_url(url: str) -> Any:
    """Each file is somewhere else."""

    def edit(answer: Any) -> None:
        if "download_url" in answer:
            answer["download_url"] = f"{url}?X-Amz-Signature={SIGNATURE}"

    return always("poll", "edit", edit=edit)


def with_line(line: bytes) -> tuple[Fault, ...]:
    def edit(lines: list[bytes]) -> list[bytes]:
        return [*lines, line]

    return always("file", "lines", edit=edit)


def with_value(column: str, value: Any) -> tuple[Fault, ...]:
    def edit(answer: Any) -> None:
        for contact in answer["data"]:
            contact[column] = value

    return always("list", "edit", edit=edit)


HEALTHY = {
    "pages": Case({**PAGES, "include_custom_fields": True, **ALL}),
    "exports": Case({**EXPORTS, **ALL}),
    "auto": Case({"export_threshold": 5, "export_target_size": 10}),
    "stream maps": Case({**PAGES, "stream_maps": {"contacts": {"email": "md5(email or '')"}}}),
    "flattening": Case({**PAGES, "flattening_enabled": True, "flattening_max_depth": 2}),
}
HICCUPS: dict[str, dict[str, Any]] = {
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": BODY}},
    "garbage": {"kind": "garbage"},
    "cut": {"kind": "cut", "fraction": 0.9},
    "hangup": {"kind": "hangup"},
    "append": {"kind": "append"},
}
HICCUPS_OF_FILES: dict[str, dict[str, Any]] = {
    **HICCUPS,
    "403": {"kind": "status", "status": 403},
    "404": {"kind": "status", "status": 404},
    "302": {"kind": "status", "status": 302, "headers": {"Location": f"http://x/?{SIGNATURE}"}},
    "flip": {"kind": "flip"},
}
ENDPOINTS: dict[Any, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "list": (PAGES, HICCUPS),
    "create": (EXPORTS, HICCUPS),
    "poll": (EXPORTS, HICCUPS),
    "file": (EXPORTS, HICCUPS_OF_FILES),
}
RETRIED = {
    f"{endpoint} {name}": Case(config, [Fault(endpoint, body=MESSAGE, **hiccup)])
    for endpoint, (config, hiccups) in ENDPOINTS.items()
    for name, hiccup in hiccups.items()
}
MENDED = {
    "unknown field": Case(PAGES, with_value("x_email", PERSON["email"])),
    "misfit": Case(PAGES, with_value("name", [PERSON["name"]])),
    "bad time": Case(PAGES, with_value("created_at", BODY)),
    "invalid UTF-8": Case(EXPORTS, with_line(b'{"id":77,"name":"c4n4ry \xff"}')),
}
LOUD = {
    "wrong key": Case({**PAGES, "api_key": KEY + "x"}, exit=1),
    "key with a newline": Case({**PAGES, "api_key": KEY + "\n" + KEY}, exit=1),
    "key of another type": Case({**PAGES, "api_key": [KEY]}, exit=1),
    "key in the wrong place": Case({**PAGES, KEY: KEY, "page_size": KEY}, exit=1),
    "URL with the key": Case({**PAGES, "api_url": f"ftp://{KEY}@x/{KEY}"}, exit=1),
    **{
        f"list {status}": Case(PAGES, always("list", status=status, body=MESSAGE), exit=1)
        for status in (302, 429, 500, 503)
    },
    # Their message is quoted: it says what is wrong.
    **{
        f"list {status}": Case(PAGES, always("list", status=status, body=SCRUBBED), exit=1)
        for status in (400, 401, 403, 404, 409, 418, 422)
    },
    **{
        f"create {status}": Case(EXPORTS, always("create", status=status, body=SCRUBBED), exit=1)
        for status in (302, 400, 401, 403)
    },
    "poll 401": Case(EXPORTS, always("poll", status=401, body=SCRUBBED), exit=1),
    "garbage for ever": Case(PAGES, always("list", "garbage", body=MESSAGE), exit=1),
    "broken files": Case(EXPORTS, always("file", "flip"), exit=1),
    "files refused": Case(ONE_EXPORT, always("file", status=403)),  # read by pages then
    "no contact on a line": Case(EXPORTS, with_line(b'{"id":"%s"}' % KEY.encode()), exit=1),
    "half a line": Case(EXPORTS, with_line(b'{"id":7,"email":"c4n4ry@ex'), exit=1),
    "no contact on a page": Case(PAGES, with_value("id", BODY), exit=1),
    "file at a closed port": Case(ONE_EXPORT, at_url("http://127.0.0.1:9/f")),  # likewise
    "file with credentials": Case(EXPORTS, at_url(f"https://me:{KEY}@x.example.com/"), exit=1),
    "file on plain http": Case(EXPORTS, at_url("http://files.example.com/f"), exit=1),
    "file at nonsense": Case(EXPORTS, at_url(f"https://[{SIGNATURE}/"), exit=1),
    "wrong zone": Case({**PAGES, "timezone": "Asia/Tokyo"}, exit=1),
    "bad expression": Case({**PAGES, "stream_maps": {"contacts": {"x": "email / 2"}}}, exit=1),
    "bad state": Case(PAGES, exit=1, state={"bookmarks": [KEY]}),
    "bad bookmark": Case(
        PAGES, exit=1, state={"bookmarks": {"contacts": {"replication_key_value": KEY}}}
    ),
    "bad catalog": Case(PAGES, exit=1, catalog={"streams": KEY}),
}
CASES = {**HEALTHY, **RETRIED, **MENDED, **LOUD}


def fill(sandbox: Sandbox, case: Case, now: datetime) -> None:
    sandbox.space.fill(20, now - timedelta(days=9), now - timedelta(days=1))
    for hours in (1, 2, 300):
        sandbox.space.add(created_at=now - timedelta(hours=hours), **PERSON)  # type: ignore[arg-type]
    for fault in case.faults:
        sandbox.fault(fault)


@pytest.mark.parametrize("name", CASES)
def test_no_secret_is_logged(name: str) -> None:
    case, clock = CASES[name], FakeClock(NOW)
    options = dated(api_key=KEY)
    with Sandbox(options, now=clock.epoch, monotonic=clock.monotonic) as sandbox:
        fill(sandbox, case, NOW)

        run = sync(sandbox, case.config, case.state, case.catalog, clock=clock)

        assert run.exit == case.exit, run.log
        assert len(run.errors) == run.exit, run.log
        _tells_nothing(run, sandbox)


@pytest.mark.slow
def test_no_secret_is_logged_by_a_process_of_its_own() -> None:
    case = CASES["exports"]
    with Sandbox(dated(api_key=KEY, limits=PLENTY)) as sandbox:
        fill(sandbox, case, datetime.now(timezone.utc))

        run = launch(sandbox, {**case.config, "export_target_size": 100})

        assert run.exit == case.exit, run.log
        _tells_nothing(run, sandbox)


def _tells_nothing(run: Run, sandbox: Sandbox) -> None:
    assert "DEBUG" in run.log or run.exit
    is_silent(run, sandbox, CANARIES)
