"""A contact looks the same whether it came from a page or from an export file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import dated
from tests.support.foreign import WAYS
from tests.support.properties import PLENTY, check

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=timezone.utc)
CONTACTS = 400
ODD: list[dict[str, Any]] = [
    {"email": None, "name": None, "phone": None, "location": None},
    {"name": "Ünïcödé \U0001f600 \u2028 end", "emails": [], "comet_tokens": []},
    {"name": 'quotes " and \\ and \t tabs', "emails": ["a@example.com", "b@example.com"]},
    {"name": ""},
]
EMAILS, TOKENS = {"include_all_emails": True}, {"include_comet_tokens": True}
LARGE, SMALL = {"export_threshold": 100}, {"export_threshold": 10_000}  # the range, that is


@pytest.fixture
def odd_contacts(cometly: StartCometly) -> Cometly:
    """Many contacts, some of them odd."""
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(CONTACTS, FIRST, NOW - timedelta(hours=2))
    for minutes, fields in enumerate(ODD):
        sandbox.space.add(created_at=NOW - timedelta(minutes=90 - minutes), **fields)
    return Cometly(sandbox, clock, {"page_size": 150})


def by_id(run: Run) -> dict[int, dict[str, Any]]:
    assert run.exit == 0, run.log
    assert len(run.ids) == CONTACTS + len(ODD)
    return {record["id"]: record for record in run.records}


def used(run: Run) -> set[str]:
    """The endpoint that contacts were read from."""
    return {"create" if any(call.endpoint == "create" for call in run.requests) else "list"}


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

    runs = [
        odd_contacts.sync(extraction_mode=way.mode, **way.encoder, **columns)
        for way in WAYS.values()
    ]

    first, *others = map(by_id, runs)
    assert [other == first for other in others] == [True] * 3
    assert len({tuple(record) for run in runs for record in run.records}) == 1  # their order, too
    for run in runs:
        check(run, odd_contacts.sandbox, cuts=0)


# Columns that one of the endpoints does not deliver.


@pytest.mark.parametrize(
    ("lacking", "config", "endpoint"),
    [
        ("list_emails", {"extraction_mode": "auto", **LARGE}, "create"),
        ("list_emails", {"extraction_mode": "auto", **SMALL}, "create"),
        ("list_emails", {"extraction_mode": "export"}, "create"),
        ("export_emails", {"extraction_mode": "auto", **SMALL}, "list"),
        ("export_emails", {"extraction_mode": "pagination"}, "list"),
    ],
)
def test_a_column_that_one_endpoint_lacks_is_read_from_the_other(
    odd_contacts: Cometly, lacking: str, config: dict[str, Any], endpoint: str
) -> None:
    whole = by_id(odd_contacts.sync(extraction_mode="export", **EMAILS))
    odd_contacts.change(**{lacking: False})

    run = odd_contacts.sync(**config, **EMAILS)

    assert by_id(run) == whole
    assert used(run) == {endpoint}
    check(run, odd_contacts.sandbox)


def test_exports_that_lack_a_column_are_given_up_for_pages(odd_contacts: Cometly) -> None:
    whole = by_id(odd_contacts.sync(extraction_mode="pagination", **EMAILS))
    odd_contacts.change(export_emails=False)

    run = odd_contacts.sync(**LARGE, **EMAILS)

    assert by_id(run) == whole
    assert [line for line in run.warnings if "Going on by pages" in line]
    check(run, odd_contacts.sandbox)


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

    assert run.exit == 1
    assert what in run.errors[0]
    assert "`include_all_emails`" in run.errors[0]
    assert (run.states, run.records) == ([], [])
    check(run, odd_contacts.sandbox, mend={"include_all_emails": False})


def test_custom_fields_are_read_by_pages_however_large_the_range(odd_contacts: Cometly) -> None:
    run = odd_contacts.sync(**LARGE, include_custom_fields=True)

    assert all("profile_field_30" in record for record in by_id(run).values())
    assert used(run) == {"list"}
    check(run, odd_contacts.sandbox)


def test_a_list_without_custom_fields_is_an_error(odd_contacts: Cometly) -> None:
    odd_contacts.change(list_custom_fields=False)

    run = odd_contacts.sync(**LARGE, include_custom_fields=True)

    assert run.exit == 1
    assert "include_custom_fields" in run.errors[0]
    check(run, odd_contacts.sandbox, mend={"include_custom_fields": False})
