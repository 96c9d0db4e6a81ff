"""A contact looks the same whether it came from a page or from an export file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import HOUR, MINUTE, NOW, UTC, WAYS, Cometly
from tests.support.properties import PLENTY

if TYPE_CHECKING:
    from tests.integration.conftest import StartSpace
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=UTC)
CONTACTS = 400
ODD: list[dict[str, Any]] = [
    {"email": None, "name": None, "phone": None, "location": None},
    {"name": "Ünïcödé \U0001f600 \u2028 end", "emails": [], "comet_tokens": []},
    {"name": 'quotes " and \\ and \t tabs', "emails": ["a@example.com", "b@example.com"]},
    {"name": ""},
]
EMAILS: dict[str, Any] = {"include_all_emails": True}
TOKENS = {"include_comet_tokens": True}
LARGE: dict[str, Any] = {"export_threshold": 100}  # the range, that is


@pytest.fixture
def odd_contacts(start_space: StartSpace) -> Cometly:
    """Many contacts, some of them odd."""
    space = start_space(CONTACTS, FIRST, NOW - 2 * HOUR, config={"page_size": 150}, limits=PLENTY)
    for minutes, fields in enumerate(ODD):
        space.space.add(created_at=NOW - (90 - minutes) * MINUTE, **fields)
    return space


def by_id(run: Run) -> dict[int, dict[str, Any]]:
    assert run.exit == 0, run.log
    assert len(run.ids) == CONTACTS + len(ODD)
    return {record["id"]: record for record in run.records}


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({}, {"created_at": "seconds"}),
        (EMAILS, {"created_at": "microseconds", "unicode_escaped": False}),
        (TOKENS, {"created_at": "absent"}),
        ({**EMAILS, **TOKENS}, {"created_at": "microseconds"}),
    ],
    ids=["plain", "e-mails", "tokens", "e-mails and tokens"],
)
def test_pages_and_exports_give_equal_records(
    odd_contacts: Cometly, columns: dict[str, Any], options: dict[str, Any]
) -> None:
    odd_contacts.change(**options)

    first, *others = runs = [odd_contacts.sync(**way, **columns) for way in WAYS.values()]

    assert [by_id(other) == by_id(first) for other in others] == [True] * 3
    assert len({tuple(record) for run in runs for record in run.records}) == 1  # their order, too
    odd_contacts.is_complete(*runs, cuts=0)


# Columns that one of the endpoints does not deliver.


@pytest.mark.parametrize(
    ("lacking", "config", "used"),
    [
        ("list_emails", LARGE, {"list", "create", "poll", "file"}),
        ("list_emails", {}, {"list", "create", "poll", "file"}),
        ("list_emails", {"extraction_mode": "export"}, {"list", "create", "poll", "file"}),
        ("export_emails", {}, {"list"}),
        ("export_emails", {"extraction_mode": "pagination"}, {"list"}),
        ("export_emails", LARGE, {"list", "create", "poll", "file"}),
    ],
)
def test_a_column_that_one_endpoint_lacks_is_read_from_the_other(
    odd_contacts: Cometly, lacking: str, config: dict[str, Any], used: set[str]
) -> None:
    whole = by_id(odd_contacts.sync(extraction_mode="export", **EMAILS))
    odd_contacts.change(**{lacking: False})

    run = odd_contacts.sync(**config, **EMAILS)

    assert by_id(run) == whole
    assert {call.endpoint for call in run.requests} == used
    given_up = [line for line in run.warnings if "Going on by pages" in line]
    assert bool(given_up) == (lacking == "export_emails" and config == LARGE)
    odd_contacts.is_complete(run)


@pytest.mark.parametrize(
    ("mode", "lacking", "what"),
    [
        ("pagination", ["list_emails"], "The list of this Space's API does not deliver"),
        ("export", ["export_emails"], "The export of this Space's API does not deliver"),
        ("auto", ["list_emails", "export_emails"], "`include_all_emails`"),
    ],
)
def test_a_column_that_cannot_be_had_is_an_error(
    odd_contacts: Cometly, mode: str, lacking: list[str], what: str
) -> None:
    odd_contacts.change(**dict.fromkeys(lacking, False))

    run = odd_contacts.sync(extraction_mode=mode, **EMAILS)

    assert run.records == []
    odd_contacts.is_loud(run, what, "`include_all_emails`", mend={"include_all_emails": False})


@pytest.mark.parametrize("delivered", [True, False])
def test_custom_fields_are_read_by_pages_however_large_the_range_or_an_error(
    odd_contacts: Cometly, *, delivered: bool
) -> None:
    odd_contacts.change(list_custom_fields=delivered)

    run = odd_contacts.sync(**LARGE, include_custom_fields=True)

    if delivered:
        assert all("profile_field_30" in record for record in by_id(run).values())
        assert {call.endpoint for call in run.requests} == {"list"}
        odd_contacts.is_complete(run)
    else:
        mend = {"include_custom_fields": False}
        odd_contacts.is_loud(run, "include_custom_fields", mend=mend)
