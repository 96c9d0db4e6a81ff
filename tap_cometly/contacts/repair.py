"""One contact at a time, one value at a time: for what the fast decoders refuse.

What does not fit is repaired where that loses nothing else, and made null where it cannot be. What
was found odd is counted or named in a `RepairLog`.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import typing as t
from collections import Counter
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial

from tap_cometly.contacts.schema import LARGEST_ID, REPLICATION_KEY, SMALLEST_ID, contact_type
from tap_cometly.exceptions import NoContactError
from tap_cometly.timeranges import read_date, read_instant

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cometly.contacts.schema import Contact, Field

logger = logging.getLogger(__name__)

# Of a double, and so of every warehouse's number; PostgreSQL refuses smaller ones, too.
_LARGEST_NUMBER = Decimal(sys.float_info.max)
_SMALLEST_NUMBER = Decimal("2.5e-324")  # rounded up to the smallest double
_LONGEST_INT = 4000  # digits; Python refuses to read longer ones
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

_MISFIT = "Column `%s`: a value does not fit its type; such values become null"
_UNKNOWN = "Field `%s` is not in this stream's schema; it is left out"


class RepairLog:
    """What was found odd: a column or field is named at once, values are counted for the end.

    Threads may share one, since pages are decoded where they were received.

    Args:
        silent: Whether nothing is logged: what is read twice is not reported twice.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._lock = threading.Lock()
        self._named: set[str] = set()
        self._counts: Counter[str] = Counter()

    def count(self, what: str, times: int = 1) -> None:
        """Count repaired values; `summarize` reports them in one warning."""
        with self._lock:
            self._counts[what] += times

    def warn_once(self, message: str, name: str) -> None:
        """Warn of a column or field, the first time."""
        with self._lock:
            known = message + name in self._named
            self._named.add(message + name)
        if not known and not self._silent:
            logger.warning(message, name)

    def summarize(self) -> None:
        """Report what was counted in one warning; nothing when nothing was."""
        if self._counts:
            found = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
            logger.warning("Repaired values: %s", found)


def parse(text: bytes, repairs: RepairLog) -> t.Any:
    """Read JSON as forgivingly as can be done without guessing; numbers exact.

    Invalid UTF-8 becomes U+FFFD and is counted; raw control characters are accepted.

    Raises:
        NoContactError: The text is not valid JSON.
    """
    invalid = 0
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode(errors="replace")
        invalid = decoded.count("\ufffd") - text.count("\ufffd".encode())  # some may be its own
    try:
        value = json.loads(
            decoded.lstrip("\ufeff"), strict=False, parse_float=_exact, parse_int=_integer
        )
    except (ValueError, RecursionError):
        msg = "it is not a JSON object"
        raise NoContactError(msg) from None
    if invalid:
        repairs.count("places with invalid UTF-8", invalid)
    return value


def _exact(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return Decimal("Infinity")


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _LONGEST_INT else _exact(digits)


class ContactRepairer:
    """Makes a contact of any JSON object with a usable id.

    Args:
        fields: The fields of a contact.
        repairs: Receives what had to be repaired.

    Attributes:
        unknown_fields: Whether an object had a field that is not among them.
    """

    def __init__(self, fields: Sequence[Field], repairs: RepairLog) -> None:
        self.unknown_fields = False
        self._names = {field.name for field in fields}
        self._contact_type = contact_type(fields, strict=False)
        self._repairs = repairs
        by_kind: dict[str, Callable[[t.Any], t.Any]] = {
            "time": read_instant,
            "text": self._text,
            "number": self._number,
            "date": self._date,
        }
        self._readers = {
            f.name: partial(self._texts, f.name) if f.kind == "texts" else by_kind[f.kind]
            for f in fields
            if f.kind != "id"
        }

    def contact(self, raw: t.Any) -> Contact:
        """Make a contact of a decoded JSON value.

        Raises:
            NoContactError: The value is not an object, or its id not an integer within 64 bits.
        """
        key = _contact_id(raw)
        for name in raw.keys() - self._names:
            self.unknown_fields = True
            self._repairs.warn_once(_UNKNOWN, ascii(name[:60])[1:-1])
        given = [(name, read) for name, read in self._readers.items() if name in raw]
        values = {name: self._value(read, raw[name], name) for name, read in given}
        return self._contact_type(id=key, **values)

    def _value(self, read: Callable[[t.Any], t.Any], value: t.Any, column: str) -> t.Any:
        """Read a value; null is one that does not fit, for which readers raise `ValueError`."""
        try:
            return None if value is None else read(value)
        except (ValueError, InvalidOperation):
            if column == REPLICATION_KEY:
                self._repairs.count("unreadable values of created_at")
            else:
                self._repairs.warn_once(_MISFIT, column)
        return None

    def _text(self, value: t.Any) -> str:
        match value:
            case str():
                return self._clean(value)
            case bool():
                return str(value).lower()
            case int() | Decimal() | float():  # the latter is NaN or an Infinity
                return str(value)
        raise ValueError

    def _texts(self, column: str, value: t.Any) -> list[str]:
        if not isinstance(value, list):
            raise ValueError  # noqa: TRY004, not a mistake of the caller's
        texts = (self._value(self._text, item, column) for item in value)
        return [text for text in texts if text is not None]

    def _clean(self, text: str) -> str:
        if "\0" in text:
            self._repairs.count("values with NUL")
            text = text.replace("\0", "")
        if not text.isascii() and (repaired := text.translate(_SURROGATES)) != text:
            self._repairs.count("values with a lone surrogate")
            return repaired
        return text

    def _number(self, value: t.Any) -> Decimal | None:
        if isinstance(value, (list, dict, bool)):
            raise ValueError  # noqa: TRY004, not a mistake of the caller's
        number = Decimal(str(value).strip())
        if not fits_a_double(number):
            self._repairs.count("numbers beyond any range")
            return None
        return number

    def _date(self, value: t.Any) -> date:
        read = read_date(value)
        return read.date() if isinstance(read, datetime) else read


def fits_a_double(number: Decimal) -> bool:
    """Return whether a number is one that a warehouse can hold."""
    if not number.is_finite():
        return False
    return not number or _SMALLEST_NUMBER <= number.copy_abs() <= _LARGEST_NUMBER


def _contact_id(raw: t.Any) -> int:
    if not isinstance(raw, dict):
        msg = "it is not a JSON object"
        raise NoContactError(msg)
    if "id" not in raw:
        msg = "it has no id"
        raise NoContactError(msg)
    key = raw["id"]
    if not isinstance(key, int) or isinstance(key, bool):
        msg = "its id is not an integer"
        raise NoContactError(msg)
    if not SMALLEST_ID <= key <= LARGEST_ID:
        msg = "its id does not fit into 64 bits"
        raise NoContactError(msg)
    return key
