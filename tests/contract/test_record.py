"""The contact record, in pages and files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import Options, dated
from tests.sandbox.invented import PRIMARY

if TYPE_CHECKING:
    from tests.contract.conftest import StartCometly

CREATED = datetime(2024, 1, 15, 10, 23, 45, tzinfo=timezone.utc)
ADA = {
    "id": 1,
    "email": "ada@example.com",
    "name": "Ada Okafor",
    "phone": "+15550100",
    "location": "Zürich, CH",
}


def test_list_and_export_have_the_same_fields_and_values(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(
        created_at=CREATED,
        email="ada@example.com",
        name="Ada Okafor",
        phone="+15550100",
        location="Zürich, CH",
    )

    [listed], [exported] = client.contacts(), client.exported()
    assert listed == exported
    assert ADA.items() <= listed.items()
    assert list(listed)[:5] == ["id", "email", "name", "phone", "location"]


def test_primary_values_may_be_null(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=CREATED)

    nothing = {"email": None, "name": None, "phone": None, "location": None}
    [listed], [exported] = client.contacts(), client.exported()
    assert listed == exported
    assert {**ADA, **nothing}.items() <= listed.items()


@pytest.mark.parametrize(
    ("reading", "micros", "text"),
    [
        ("seconds", 412_000, "2024-01-15T10:23:45Z"),
        ("microseconds", 412_000, "2024-01-15T10:23:45.412000Z"),
        ("microseconds", 0, "2024-01-15T10:23:45.000000Z"),
    ],
)
def test_created_at_is_iso_8601_in_utc(
    cometly: StartCometly, reading: str, micros: int, text: str
) -> None:
    options = Options(timezone="Asia/Tokyo", created_at=reading, queued_seconds=0.0)  # type: ignore[arg-type]
    client = cometly(options)
    client.sandbox.space.add(created_at=CREATED + timedelta(microseconds=micros))

    assert client.contacts()[0]["created_at"] == text
    assert client.exported()[0]["created_at"] == text


def test_the_time_of_creation_is_told_only_by_an_api_that_is_dated(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=CREATED)
    undated = [*client.contacts(), *client.exported()]

    client.sandbox.options = dated(queued_seconds=0.0)
    told = [*client.contacts(), *client.exported()]

    assert told == [{**row, "created_at": "2024-01-15T10:23:45Z"} for row in undated]
    assert all("created_at" not in row for row in undated)


def test_exports_alone_may_tell_the_time_of_creation(cometly: StartCometly) -> None:
    client = cometly(Options(export_created_at="seconds", queued_seconds=0.0))
    client.sandbox.space.add(created_at=CREATED)

    assert "created_at" not in client.contacts()[0]
    assert client.exported()[0]["created_at"] == "2024-01-15T10:23:45Z"


def test_primary_values_change_later(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=CREATED, name="Ada", phone="+15550100")

    client.sandbox.space.change(1, name="Ada Okafor", phone=None)

    assert (client.contacts()[0]["name"], client.contacts()[0]["phone"]) == ("Ada Okafor", None)
    assert client.exported()[0]["name"] == "Ada Okafor"


def test_a_merged_contact_is_no_longer_served(cometly: StartCometly) -> None:
    client = cometly(dated(queued_seconds=0.0))
    client.sandbox.space.add(created_at=CREATED, email="ada@example.com", comet_tokens=["ct_1"])
    client.sandbox.space.add(created_at=CREATED, email="old@example.com", comet_tokens=["ct_2"])

    client.sandbox.space.merge(2, into=1)

    for rows in (
        client.contacts(include_all_emails=1, include_comet_tokens=1),
        client.exported(include_all_emails=1, include_comet_tokens=1),
    ):
        assert [row["id"] for row in rows] == [1]
        assert rows[0]["email"] == "ada@example.com"
        assert rows[0]["emails"] == ["ada@example.com", "old@example.com"]
        assert rows[0]["comet_tokens"] == ["ct_1", "ct_2"]
    assert client.sandbox.space.ids() == {1}


def test_invented_contacts_change_and_merge_too(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(3, CREATED, CREATED + timedelta(days=1))

    client.sandbox.space.change(2, location="Lagos, NG")
    client.sandbox.space.merge(1, into=3)

    assert [(row["id"], row["location"]) for row in client.contacts()][1:] == [(2, "Lagos, NG")]
    assert client.sandbox.space.contact(2).location == "Lagos, NG"
    with pytest.raises(KeyError):
        client.sandbox.space.contact(1)


def test_a_new_column_is_one_line_in_the_sandbox(
    cometly: StartCometly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRIMARY, "company", lambda _dice, contact_id: f"Company {contact_id}")
    client = cometly()
    client.sandbox.space.fill(1, CREATED, CREATED + timedelta(days=1))
    client.sandbox.space.add(created_at=CREATED)
    client.sandbox.space.add(created_at=CREATED, company="Okafor Ltd")
    client.sandbox.space.change(1, company="Other")

    for rows in (client.contacts(), client.exported()):
        assert [row["company"] for row in rows] == ["Okafor Ltd", None, "Other"]
    assert client.sandbox.space.contact(3).company == "Okafor Ltd"


def test_a_misspelt_value_is_refused(cometly: StartCometly) -> None:
    space = cometly().sandbox.space

    with pytest.raises(TypeError, match="a contact has no nmae"):
        space.add(created_at=CREATED, nmae="Ada")
    assert space.add(created_at=CREATED) == 1
    with pytest.raises(AttributeError, match="nmae"):
        _ = space.contact(1).nmae


@pytest.mark.parametrize(
    ("escaped", "bytes_"), [(True, b"Z\\u00fcrich"), (False, "Zürich".encode())]
)
def test_json_may_be_escaped_or_plain(
    cometly: StartCometly, *, escaped: bool, bytes_: bytes
) -> None:
    client = cometly(Options(unicode_escaped=escaped, queued_seconds=0.0))
    client.sandbox.space.add(created_at=CREATED, location="Zürich")

    assert bytes_ in client.page().content
    assert bytes_ in client.file()
