"""What probes and checks need of contacts: which they are, and when they were created."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

import msgspec

from tap_cometly.contacts.repair import NoContactError, contact_id, page_error, parse
from tap_cometly.contacts.schema import REFUSED, Id, Instant
from tap_cometly.timeranges import read_instant

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class Dated(t.Protocol):
    """A contact, or a glimpse of one."""

    id: int
    created_at: datetime | None


class Glimpse(msgspec.Struct, gc=False):
    """What a first look at a contact shows."""

    id: Id
    created_at: Instant | None = None


_DECODER = msgspec.json.Decoder(list[Glimpse])


def glimpses(text: memoryview) -> list[Glimpse]:
    """Look at a JSON list of contacts; what is odd about them is not counted here.

    Raises:
        RecordError: Something on it is no contact.
    """
    try:
        seen = _DECODER.decode(text)
    except REFUSED:
        return _mended(text)
    if {glimpse.created_at.tzinfo for glimpse in seen if glimpse.created_at} - {timezone.utc}:
        return _mended(text)
    return seen


def _mended(text: memoryview) -> list[Glimpse]:
    try:
        return glimpses_of(parse(bytes(text)))
    except NoContactError as reason:  # its frame was JSON, but may be nested too deeply from here
        raise page_error(reason) from None


def glimpses_of(raws: Iterable[t.Any]) -> list[Glimpse]:
    """Look at decoded JSON values.

    Raises:
        RecordError: Something on it is no contact.
    """
    try:
        return [Glimpse(contact_id(raw), _instant(raw.get("created_at"))) for raw in raws]
    except NoContactError as reason:
        raise page_error(reason) from None


def _instant(value: t.Any) -> datetime | None:
    try:
        return read_instant(value)
    except ValueError:
        return None
