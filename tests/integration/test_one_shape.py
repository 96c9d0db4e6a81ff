"""A contact looks the same whether it came from a page or from an export file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW
from tests.sandbox import dated
from tests.support.properties import PLENTY, check
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=timezone.utc)
CONTACTS = 400
EMAILS, TOKENS = {"include_all_emails": True}, {"include_comet_tokens": True}
COLUMNS: list[dict[str, Any]] = [{}, EMAILS, TOKENS, {**EMAILS, **TOKENS}]
PAGES = {"extraction_mode": "pagination", "page_size": 150}
EXPORT = {"extraction_mode": "export"}
AUTO = {"extraction_mode": "auto", "export_threshold": 100, "page_size": 150}

Cometly = tuple["Sandbox", "FakeClock"]


@pytest.fixture
def odd_contacts(cometly: StartCometly) -> Cometly:
    """Many contacts, some of them odd."""
    sandbox, clock = cometly(dated())
    sandbox.options = replace(sandbox.options, limits=PLENTY)
    sandbox.space.fill(CONTACTS, FIRST, NOW - timedelta(hours=2))
    odd: list[dict[str, Any]] = [
        {"email": None, "name": None, "phone": None, "location": None},
        {"name": "Ünïcödé \U0001f600 \u2028 end", "emails": [], "comet_tokens": []},
        {"name": 'quotes " and \\ and \t tabs', "emails": ["a@example.com", "b@example.com"]},
        {"name": ""},
    ]
    for minutes, fields in enumerate(odd):
        sandbox.space.add(created_at=NOW - timedelta(minutes=90 - minutes), **fields)
    return sandbox, clock


def read(cometly: Cometly, **config: Any) -> Run:
    sandbox, clock = cometly
    return sync(sandbox, config, clock=clock)


def by_id(run: Run) -> dict[int, dict[str, Any]]:
    assert run.exit == 0, run.log
    return {record["id"]: record for record in run.records}


def ways(cometly: Cometly) -> set[str]:
    """How contacts were read since the requests were last forgotten."""
    calls = cometly[0].log_calls()
    return {"exports"} if calls["create"] else {"pages"}


@pytest.mark.parametrize("created_at", ["seconds", "microseconds", "absent"])
@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: "+".join(columns) or "plain")
def test_pages_and_exports_give_equal_records(
    odd_contacts: Cometly, columns: dict[str, Any], created_at: Any
) -> None:
    sandbox, _ = odd_contacts
    sandbox.options = replace(sandbox.options, created_at=created_at)

    paged, exported = (
        read(odd_contacts, **PAGES, **columns),
        read(odd_contacts, **EXPORT, **columns),
    )

    assert by_id(paged) == by_id(exported)
    assert len(paged.ids) == CONTACTS + 4
    assert [list(record) for record in paged.records[:5]] == [
        list(record) for record in exported.records[:5]
    ]
    check(paged, sandbox)
    check(exported, sandbox)


@pytest.mark.parametrize(
    ("lacking", "config", "way"),
    [
        ({"list_emails": False}, AUTO, {"exports"}),
        ({"list_emails": False}, {**AUTO, "export_threshold": 10_000}, {"exports"}),
        ({"export_emails": False}, {**AUTO, "export_threshold": 10_000}, {"pages"}),
    ],
    ids=["old list, large range", "old list, small range", "old export, small range"],
)
def test_a_column_that_one_way_lacks_comes_the_other_way(
    odd_contacts: Cometly, lacking: dict[str, Any], config: dict[str, Any], way: set[str]
) -> None:
    sandbox, _ = odd_contacts
    whole = by_id(read(odd_contacts, **EXPORT, **EMAILS))
    sandbox.options = replace(sandbox.options, **lacking)
    sandbox.clear_requests()

    run = read(odd_contacts, **config, **EMAILS)

    assert by_id(run) == whole
    assert ways(odd_contacts) == way
    check(run, sandbox)


def test_exports_that_lack_a_column_are_given_up_for_pages(odd_contacts: Cometly) -> None:
    sandbox, _ = odd_contacts
    whole = by_id(read(odd_contacts, **PAGES, **EMAILS))
    sandbox.options = replace(sandbox.options, export_emails=False)

    run = read(odd_contacts, **AUTO, **EMAILS)

    assert by_id(run) == whole
    assert [line for line in run.warnings if "Going on by pages" in line]
    check(run, sandbox)


@pytest.mark.parametrize(
    ("lacking", "config", "way"),
    [({"list_emails": False}, PAGES, "The list"), ({"export_emails": False}, EXPORT, "The export")],
    ids=["old list", "old export"],
)
def test_a_column_that_the_chosen_way_lacks_is_an_error(
    odd_contacts: Cometly, lacking: dict[str, Any], config: dict[str, Any], way: str
) -> None:
    sandbox, _ = odd_contacts
    sandbox.options = replace(sandbox.options, **lacking)

    run = read(odd_contacts, **config, **EMAILS)

    assert run.exit == 1
    assert f"{way} of this Space's API does not deliver" in run.errors[0]
    assert run.records == []
    check(run, sandbox, mend={"extraction_mode": "auto"})


def test_custom_fields_are_read_by_pages_however_large_the_range(odd_contacts: Cometly) -> None:
    sandbox, _ = odd_contacts

    run = read(odd_contacts, **AUTO, include_custom_fields=True)

    assert len(by_id(run)) == CONTACTS + 4
    assert ways(odd_contacts) == {"pages"}
    assert all("profile_field_30" in record for record in run.records)
    check(run, sandbox)


def test_a_list_without_custom_fields_is_an_error(odd_contacts: Cometly) -> None:
    sandbox, _ = odd_contacts
    sandbox.options = replace(sandbox.options, list_custom_fields=False)

    run = read(odd_contacts, **AUTO, include_custom_fields=True)

    assert run.exit == 1
    assert "include_custom_fields" in run.errors[0]
    check(run, sandbox, mend={"include_custom_fields": False})
