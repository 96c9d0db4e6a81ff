"""An answer of the list: checked to be one at once, its contacts decoded as they are taken."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property, partial

import msgspec

from tap_cometly.contacts.glimpse import glimpses, glimpses_of
from tap_cometly.contacts.repair import NoContactError, page_error, parse
from tap_cometly.contacts.schema import REFUSED
from tap_cometly.exceptions import GarbledError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cometly.contacts.decoder import ContactDecoder
    from tap_cometly.contacts.glimpse import Dated
    from tap_cometly.contacts.schema import Contact

_BLOCK = 64 * 2**10  # bytes; a whole page of contacts is too much for a processor's cache


@dataclass
class Page:
    """One page of the list.

    Attributes:
        next_cursor: Where the next page begins; None on the last one.
        blocks: Decodes its contacts, newest id first.
        glimpse: Decodes no more of them than a glimpse, in the same order.
    """

    next_cursor: str | None
    blocks: Callable[[], Iterator[list[Contact]]]
    glimpse: Callable[[], Sequence[Dated]]

    @cached_property
    def glimpses(self) -> Sequence[Dated]:
        """A glimpse of each contact, newest id first."""
        return self.glimpse()


class _Frame(msgspec.Struct):
    data: msgspec.Raw
    next_cursor: str | None


class PageReader:
    """Makes pages of answers."""

    def __init__(self, decoder: ContactDecoder) -> None:
        """Prepare; the decoder makes the contacts."""
        self._decoder = decoder
        self._frame = msgspec.json.Decoder(_Frame)

    def read(self, body: bytes) -> Page:
        """Look at an answer's frame, and that all of it is JSON.

        Raises:
            GarbledError: It is not what the list answers with.
        """
        try:
            frame = self._frame.decode(body)
        except REFUSED:
            return self._forgiving(body)
        data = memoryview(frame.data)
        if bytes(data[:1]) != b"[":
            return self._forgiving(body)
        return Page(frame.next_cursor, partial(self._blocks, data), partial(glimpses, data))

    def _blocks(self, data: memoryview) -> Iterator[list[Contact]]:
        """Cut a JSON list into such lists; a cut that fell into an object or a text moves on."""
        text = bytes(data)
        begin = end = 1
        while end < len(text) - 1:
            comma = text.find(b"},{", end + _BLOCK) + 1
            end = comma or len(text) - 1
            try:
                contacts = self._decoder.listed(b"[" + text[begin:end] + b"]")
            except NoContactError as reason:
                if not comma:
                    raise page_error(reason) from None
                continue
            yield contacts
            begin = end + 1

    def _forgiving(self, body: bytes) -> Page:
        try:
            answer = parse(body, self._decoder.repairs)
        except NoContactError:
            msg = "the answer is no JSON"
            raise GarbledError(msg) from None
        if not isinstance(answer, dict) or not isinstance(raws := answer.get("data"), list):
            msg = "the answer has no list `data`"
            raise GarbledError(msg)
        cursor = answer.get("next_cursor", 0)
        if cursor is not None and not isinstance(cursor, str):
            msg = "the answer has no `next_cursor`"
            raise GarbledError(msg)
        mended = self._decoder.mended
        return Page(cursor, lambda: iter([mended(raws)]), partial(glimpses_of, raws))
