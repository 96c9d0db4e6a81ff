"""The contact record, in pages and files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.conftest import reading
from tests.sandbox.invented import PRIMARY

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import StartCometly

CREATED = datetime(2024, 1, 15, 10, 23, 45, tzinfo=timezone.utc)
ADA: dict[str, Any] = {
    "email": "ada@example.com",
    "name": "Ada Okafor",
    "phone": "+15550100",
    "location": "Zürich, CH",
}


@pytest.mark.parametrize("values", [ADA, {}])
def test_list_and_export_have_the_same_fields_and_values(
    client: Client, values: dict[str, Any]
) -> None:
    client.space.add(created_at=CREATED, **values)

    [listed], [exported] = client.contacts(), client.exported()

    assert listed == exported == {"id": 1, **dict.fromkeys(ADA), **values}
    assert list(listed) == ["id", "email", "name", "phone", "location"]


@pytest.mark.parametrize(
    ("form", "micros", "text"),
    [
        ("seconds", 412_000, "2024-01-15T10:23:45Z"),
        ("microseconds", 412_000, "2024-01-15T10:23:45.412000Z"),
        ("microseconds", 0, "2024-01-15T10:23:45.000000Z"),
        ("absent", 0, None),
    ],
)
def test_created_at_is_iso_8601_in_utc_where_it_is_told(
    cometly: StartCometly, form: str, micros: int, text: str | None
) -> None:
    client = cometly(timezone="Asia/Tokyo", created_at=form)
    client.space.add(created_at=CREATED + timedelta(microseconds=micros))

    for [row] in (client.contacts(), client.exported()):
        assert row.get("created_at") == text
        assert ("created_at" in row) == (text is not None)


@reading(export_created_at="seconds")
def test_exports_alone_may_tell_the_time_of_creation(client: Client) -> None:
    client.space.add(created_at=CREATED)

    assert "created_at" not in client.contacts()[0]
    assert client.exported()[0]["created_at"] == "2024-01-15T10:23:45Z"


@reading(list_emails=True)
def test_tokens_and_emails_come_when_asked_for(client: Client) -> None:
    tokens = [f"ct_{number}" for number in range(7, 0, -1)]
    client.space.add(created_at=CREATED, email="ada@example.com", comet_tokens=tokens)
    columns = {"comet_tokens": tokens[:5], "emails": ["ada@example.com"]}

    for ask in (client.contacts, client.exported):
        [plain], [full] = ask(), ask(include_comet_tokens=1, include_all_emails=1)
        assert full == {**plain, **columns}
        assert columns.keys().isdisjoint(plain)
    assert columns.keys().isdisjoint(client.contacts(include_comet_tokens=0)[0])


@reading(export_emails=False)
def test_an_endpoint_may_not_know_emails_and_exports_never_know_custom_fields(
    client: Client,
) -> None:
    client.space.add(created_at=CREATED, email="ada@example.com", profile_fields={1: "blue"})
    asked: dict[str, Any] = {"include_all_emails": 1, "include_custom_fields": 1}

    [listed], [exported] = client.contacts(**asked), client.exported(**asked)

    assert "emails" not in listed
    assert {"emails", "profile_field_1"}.isdisjoint(exported)


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({}, 2.5),
        ({"custom_numbers_as_strings": True}, "2.5"),
        ({"list_custom_fields": False}, None),
    ],
    ids=["as they are", "numbers as strings", "unknown to an older list"],
)
def test_thirty_custom_fields_come_when_asked_for(
    cometly: StartCometly, options: dict[str, Any], number: object
) -> None:
    client = cometly(**options)
    client.space.add(created_at=CREATED, profile_fields={1: "blue", 16: 2.5, 26: "2024-02-29"})

    [plain], [contact] = client.contacts(), client.contacts(include_custom_fields=1)

    names = [f"profile_field_{number}" for number in range(1, 31)] if number else []
    assert list(contact) == [*plain, *names]
    if number:
        assert [contact[names[n - 1]] for n in (1, 2, 16, 26)] == [
            *("blue", None, number, "2024-02-29")
        ]


@pytest.mark.parametrize(
    ("escaped", "written"), [(True, b"Z\\u00fcrich"), (False, "Zürich".encode())]
)
def test_json_may_be_escaped_or_plain(
    cometly: StartCometly, *, escaped: bool, written: bytes
) -> None:
    client = cometly(unicode_escaped=escaped)
    client.space.add(created_at=CREATED, location="Zürich")

    assert written in client.page().content
    assert written in client.content(client.export())


# Contacts change.


def test_primary_values_change_later_of_invented_contacts_too(client: Client) -> None:
    client.space.add(created_at=CREATED, **ADA)
    client.space.fill(1, CREATED, CREATED + timedelta(days=1))

    client.space.change(1, name="Ada Lindqvist", phone=None)
    client.space.change(2, location="Lagos, NG")

    changed = {"id": 1, **ADA, "name": "Ada Lindqvist", "phone": None}
    invented, ada = client.contacts()
    assert (invented["location"], ada) == ("Lagos, NG", changed)
    assert client.exported() == [invented, ada]


@reading(list_emails=True)
def test_a_merged_contact_is_no_longer_served(client: Client) -> None:
    client.space.add(created_at=CREATED, email="ada@example.com", comet_tokens=["ct_1"])
    client.space.add(created_at=CREATED, email="old@example.com", comet_tokens=["ct_2"])

    client.space.merge(2, into=1)

    asked: dict[str, Any] = {"include_all_emails": 1, "include_comet_tokens": 1}
    for [row] in (client.contacts(**asked), client.exported(**asked)):
        assert (row["id"], row["email"]) == (1, "ada@example.com")
        assert row["emails"] == ["ada@example.com", "old@example.com"]
        assert row["comet_tokens"] == ["ct_1", "ct_2"]
    assert client.space.ids() == {1}
    with pytest.raises(KeyError):
        client.space.contact(2)


def test_a_new_column_is_one_line_in_the_sandbox(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRIMARY, "company", lambda _dice, contact_id: f"Company {contact_id}")
    client.space.fill(1, CREATED, CREATED + timedelta(days=1))
    client.space.add(created_at=CREATED)
    client.space.add(created_at=CREATED, company="Okafor Ltd")

    for rows in (client.contacts(), client.exported()):
        assert [row["company"] for row in rows] == ["Okafor Ltd", None, "Company 1"]
    assert client.space.contact(3).company == "Okafor Ltd"


def test_a_misspelt_value_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="a contact has no nmae"):
        client.space.add(created_at=CREATED, nmae="Ada")
    assert client.space.add(created_at=CREATED) == 1
    with pytest.raises(AttributeError, match="nmae"):
        _ = client.space.contact(1).nmae
