"""BATCH files as targets take them, from pages and from exports."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import CONFIG, END, QUICK, START, Cometly
from tests.support.catalogs import catalog
from tests.support.fake_s3 import fake_s3
from tests.support.running import bookmark_of, launch, sync

if TYPE_CHECKING:
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

CONTACTS = 250
SIZE = 40

WAYS: dict[str, dict[str, Any]] = {
    "pages": {"extraction_mode": "pagination", "page_size": 60},
    "exports": {"extraction_mode": "export", "export_target_size": 100, "export_threshold": 50},
}
MASKED = {"stream_maps": {"contacts": {"email": "__NULL__"}}}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings that decide how contacts are read."""
    return WAYS[request.param]


@pytest.fixture
def filled(cometly: Cometly) -> Cometly:
    cometly.sandbox.space.fill(CONTACTS, START, END)
    return cometly


def manifest(run: Run) -> list[Path]:
    """The files that a run told of, in order."""
    return [path for line in run.lines if line["type"] == "BATCH" for path in _files(line)]


def _files(batch: dict[str, Any]) -> list[Path]:
    return [Path(urlsplit(url).path) for url in batch["manifest"]]


def lines_of(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines(keepends=True)


def rows_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for path in manifest(run) for line in lines_of(path)]


def types_of(run: Run) -> set[str]:
    return {line["type"] for line in run.lines}


# What a file is.


@pytest.mark.parametrize(
    ("way", "compression", "ending"),
    [("pages", "gzip", ".jsonl.gz"), ("exports", "none", ".jsonl")],
)
def test_files_hold_the_records_of_a_run_without_batches(
    filled: Cometly, way: str, compression: str, ending: str
) -> None:
    plain = filled.sync(**WAYS[way])

    run = filled.sync(**WAYS[way], **filled.batch_config(SIZE, compression))

    # Then they have the same rows, in UTC whatever the zone of the Space
    assert sorted(rows_of(run), key=itemgetter("id")) == sorted(plain.records, key=itemgetter("id"))
    contact = filled.sandbox.space.contact
    assert all(row["created_at"] == _utc(contact(row["id"]).created_at) for row in rows_of(run))
    # ... in files that are neither too large nor empty, without a blank line
    for path in manifest(run):
        lines = lines_of(path)
        assert path.name.endswith(ending)
        assert 1 <= len(lines) <= SIZE
        assert all(line.strip() and line.endswith(b"\n") for line in lines)
    # ... and nothing is written beside them
    assert run.lines[0]["type"] == "SCHEMA"
    assert types_of(run) == {"SCHEMA", "BATCH", "STATE"}
    encodings = [line["encoding"] for line in run.lines if line["type"] == "BATCH"]
    assert all(e == {"format": "jsonl", "compression": compression} for e in encodings)


def test_a_window_fills_its_files_but_for_the_last(filled: Cometly) -> None:
    run = filled.sync(**WAYS["pages"], **filled.batch_config(SIZE))

    assert [len(lines_of(path)) for path in manifest(run)] == [40, 40, 40, 40, 40, 40, 10]


def test_names_begin_with_the_prefix_and_are_never_used_again(filled: Cometly) -> None:
    setting = filled.batch_config(SIZE)
    setting["batch_config"]["storage"]["prefix"] = "emea-"

    first, again = (filled.sync(**setting) for _ in range(2))

    files = manifest(first) + manifest(again)
    assert len(set(files)) == len(files)
    assert set(files) == set(filled.batches.iterdir())
    assert all(path.name.startswith("emea-") for path in files)


def test_ten_thousand_rows_are_a_file_unless_told(cometly: Cometly) -> None:
    cometly.sandbox.space.fill(10_500, START, END)
    config = cometly.batch_config(1)["batch_config"]
    del config["batch_size"]

    run = cometly.sync(batch_config=config)

    assert [len(lines_of(path)) for path in manifest(run)] == [10_000, 500]


def test_an_empty_space_has_no_file_and_still_a_bookmark(cometly: Cometly) -> None:
    run = cometly.sync(**cometly.batch_config(SIZE))

    assert manifest(run) == []
    assert run.bookmark is not None


# What goes between the files.


def test_a_state_claims_only_what_files_before_it_hold(filled: Cometly) -> None:
    run = filled.sync(**WAYS["exports"], **filled.batch_config(SIZE))

    assert len(_claims_that_hold(run, filled)) > 1


def test_a_window_that_fails_leaves_the_bookmark_before_it(filled: Cometly) -> None:
    summer = datetime(2024, 7, 1, tzinfo=timezone.utc)
    filled.sandbox.options = replace(QUICK, job_fails=lambda _, last: last > summer)

    config = {**CONFIG, **WAYS["exports"], **filled.batch_config(SIZE)}
    run = sync(filled.sandbox, config, clock=filled.clock)

    assert run.exit == 1
    assert max(_claims_that_hold(run, filled)) <= f"{summer:%Y-%m-%dT%H:%M:%SZ}"


def _claims_that_hold(run: Run, cometly: Cometly) -> set[str]:
    """The bookmarks of a run, after a look at the files that were there when each was written."""
    space = cometly.sandbox.space
    created = {key: _utc(space.contact(key).created_at) for key in space.ids()}
    held: set[int] = set()
    marks = set()
    for line in run.lines:
        if line["type"] == "BATCH":
            held |= {json.loads(row)["id"] for path in _files(line) for row in lines_of(path)}
        if line["type"] == "STATE" and (mark := bookmark_of(line["value"])):
            assert {key for key, instant in created.items() if instant < mark} <= held
            marks.add(mark)
    return marks


# Table versions.


@pytest.mark.parametrize("config", [*WAYS.values(), MASKED], ids=[*WAYS, "masked"])
def test_each_line_has_the_table_version_that_is_activated_at_the_end(
    filled: Cometly, config: dict[str, Any]
) -> None:
    run = filled.full_sync(**config, **filled.batch_config(SIZE))

    *_, activation = [line for line in run.lines if line["type"] == "ACTIVATE_VERSION"]
    assert {row["_sdc_table_version"] for row in rows_of(run)} == {activation["version"]}
    assert {line["version"] for line in run.lines if line["type"] == "BATCH"} == {
        activation["version"]
    }
    last = max(n for n, line in enumerate(run.lines) if line["type"] == "BATCH")
    assert run.lines.index(activation) > last


# Masked and deselected columns.


def test_masked_emails_are_nowhere_in_clear(filled: Cometly, way: dict[str, Any]) -> None:
    maps = {"contacts": {"email": "sha256(email) if email else None", "emails": "__NULL__"}}

    run = filled.sync(**way, stream_maps=maps, **filled.batch_config(SIZE))

    written = b"".join(line for path in manifest(run) for line in lines_of(path))
    assert b"@" not in written
    assert len(rows_of(run)) >= CONTACTS
    assert all(re.fullmatch("[0-9a-f]{64}", row["email"] or "0" * 64) for row in rows_of(run))


def test_deselected_columns_are_not_written(filled: Cometly, way: dict[str, Any]) -> None:
    chosen = catalog(without=["email", "phone", "emails"], include_all_emails=True)
    config = {**CONFIG, **way, **filled.batch_config(SIZE)}

    run = sync(filled.sandbox, config, catalog=chosen, clock=filled.clock)

    assert {key for row in rows_of(run) for key in row} == {"id", "name", "location", "created_at"}
    assert {row["id"] for row in rows_of(run)} == filled.sandbox.space.ids()


def test_contacts_that_a_map_filters_out_leave_no_empty_file(filled: Cometly) -> None:
    maps = {"contacts": {"__filter__": "record['id'] > 10**9"}}

    run = filled.sync(stream_maps=maps, **filled.batch_config(SIZE))

    assert manifest(run) == []
    assert not filled.batches.exists() or not list(filled.batches.iterdir())


def test_streams_that_a_map_adds_have_files_of_their_own(filled: Cometly) -> None:
    maps = {"contacts": {}, "leads": {"__source__": "contacts", "email": "__NULL__"}}

    run = filled.sync(stream_maps=maps, **filled.batch_config(SIZE))

    for stream in ("contacts", "leads"):
        own = [line for line in run.lines if line["type"] == "BATCH" and line["stream"] == stream]
        paths = [path for line in own for path in _files(line)]
        rows = [json.loads(row) for path in paths for row in lines_of(path)]
        assert {row["id"] for row in rows} == filled.sandbox.space.ids()
        assert all(("email" in row) is (stream == "contacts") for row in rows)
        assert all(len(lines_of(path)) <= SIZE for path in paths)


# Roots.


@pytest.mark.parametrize("folder", ["with space", "50%", "größe", "a%20b", "q?x", "h#x"])
def test_a_root_that_would_be_percent_encoded_is_refused(
    filled: Cometly, tmp_path: Path, folder: str
) -> None:
    setting = filled.batch_config(SIZE)
    setting["batch_config"]["storage"]["root"] = f"file://{tmp_path}/{folder}"

    run = sync(filled.sandbox, {**CONFIG, **setting}, clock=filled.clock)

    assert (run.exit, run.raw) == (1, b"")
    assert "`batch_config.storage" in run.errors[0]
    assert filled.sandbox.requests == []


def test_a_root_that_cannot_be_written_is_one_line(filled: Cometly, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    setting = filled.batch_config(SIZE)
    setting["batch_config"]["storage"]["root"] = (in_the_way / "folder").as_uri()

    run = sync(filled.sandbox, {**CONFIG, **setting}, clock=filled.clock)

    assert run.exit == 1
    [error] = run.errors
    assert "BATCH file cannot be written" in error
    assert types_of(run) <= {"SCHEMA"}


# A bucket.


@pytest.mark.slow
def test_a_bucket_takes_them_too(sandbox: StartSandbox) -> None:
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    encoding = {"format": "jsonl", "compression": "gzip"}

    with fake_s3("my-bucket") as s3:
        storage = {"root": f"s3://{s3.bucket}/of/contacts"}
        config = {**CONFIG, "batch_config": {"encoding": encoding, "storage": storage}}
        run = launch(cometly, config, env=s3.environment)
        urls = [url for line in run.lines if line["type"] == "BATCH" for url in line["manifest"]]
        files = [gzip.decompress(s3.read(url)) for url in urls]

    assert run.exit == 0, run.log
    rows = [json.loads(line) for file in files for line in file.splitlines()]
    assert {row["id"] for row in rows} == cometly.space.ids()
    told = run.log + run.raw.decode()
    assert not [secret for secret in s3.secrets if secret in told]
    assert "@example.com" not in told


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
