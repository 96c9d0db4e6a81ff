"""One contact at a time, mended as the design says: the slow way, for what the fast one refuses."""

from __future__ import annotations

import json
import sys
import typing as t
from collections import Counter
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from tap_cometly.exceptions import RecordError
from tap_cometly.timeranges import read_date, read_instant

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from tap_cometly.contacts.schema import Field

_SMALLEST_ID, _LARGEST_ID = -(2**63), 2**63 - 1
# Of a double, and so of every warehouse's number; PostgreSQL refuses smaller ones, too.
_LARGEST_NUMBER = Decimal(sys.float_info.max)
_SMALLEST_NUMBER = Decimal("2.5e-324")  # rounded up to the smallest double
_LONGEST_INT = 4000  # digits; Python refuses to read longer ones
_ADVICE = "Run again; if it stays, ask Cometly's support about it. The bookmark is kept."
_SURROGATES = dict.fromkeys(range(55296, 57344), "�")


class NoContactError(Exception):
    """This is no contact; the message says why, never what it holds."""


class RepairLog:
    """What had to be mended: named once if it is about a column, counted if about rows."""

    def __init__(self, logger: logging.Logger) -> None:
        """Start with nothing found."""
        self._logger = logger
        self._named: set[str] = set()
        self._counts: Counter[str] = Counter()

    def count(self, what: str, times: int = 1) -> None:
        """Count mended values; all are told in one warning at the end."""
        self._counts[what] += times

    def misfit(self, column: str) -> None:
        """Name a column whose value did not fit and was made null, the first time."""
        self._name(column, "Column `%s`: a value does not fit its type; such values become null")

    def unknown(self, field: str) -> None:
        """Name a field that the catalog does not have, the first time."""
        self._name(field, "Field `%s` is not in this stream's schema; it is left out")

    def _name(self, name: str, message: str) -> None:
        if message + name not in self._named:
            self._named.add(message + name)
            self._logger.warning(message, name)

    def summarize(self) -> None:
        """Tell what was counted, in one warning; nothing when nothing was."""
        if self._counts:
            found = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
            self._logger.warning("Mended values: %s", found)


def parse(text: bytes, repairs: RepairLog | None = None) -> t.Any:
    """Read JSON as forgivingly as can be done without guessing.

    Args:
        text: One JSON text. Invalid UTF-8 becomes U+FFFD; raw control characters are accepted.
        repairs: Where the former is counted, if anywhere.

    Returns:
        The value; numbers exact.

    Raises:
        NoContactError: It is no JSON.
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
        msg = "it is no JSON object"
        raise NoContactError(msg) from None
    if invalid and repairs is not None:
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
    """Turns any JSON object with a usable id into a contact."""

    def __init__(self, fields: Sequence[Field], made: type[t.Any], repairs: RepairLog) -> None:
        """Prepare.

        Args:
            fields: The fields a contact has.
            made: The type to make, with a slot for each of them.
            repairs: Where to tell what was mended.
        """
        self._fields = fields
        self._names = {field.name for field in fields}
        self._made = made
        self.repairs = repairs
        self._mend: dict[str, Callable[[t.Any, str], t.Any]] = {
            "time": self._time,
            "text": self._text,
            "texts": self._texts,
            "number": self._number,
            "date": self._date,
        }

    def contact(self, raw: t.Any) -> t.Any:
        """Make a contact.

        Args:
            raw: A decoded JSON value.

        Raises:
            NoContactError: It is no object, or its id is no integer within 64 bits.
        """
        key = contact_id(raw)
        for name in raw.keys() - self._names:
            self.repairs.unknown(_printable(name))
        values = {
            field.name: self._mend[field.kind](raw[field.name], field.name)
            for field in self._fields
            if field.name in raw and field.kind != "id"
        }
        return self._made(id=key, **values)

    def _text(self, value: t.Any, column: str) -> str | None:
        match value:
            case None:
                return None
            case str():
                return self._clean(value)
            case bool():
                return str(value).lower()
            case int() | Decimal() | float():
                return str(value)
        self.repairs.misfit(column)
        return None

    def _texts(self, value: t.Any, column: str) -> list[str] | None:
        if value is None:
            return None
        if not isinstance(value, list):
            self.repairs.misfit(column)
            return None
        texts = (self._text(item, column) for item in value)
        return [text for text in texts if text is not None]

    def _clean(self, text: str) -> str:
        if "\0" in text:
            self.repairs.count("values with NUL")
            text = text.replace("\0", "")
        if not text.isascii() and (mended := text.translate(_SURROGATES)) != text:
            self.repairs.count("values with a lone surrogate")
            return mended
        return text

    def _time(self, value: t.Any, _column: str) -> datetime | None:
        if value is None:
            return None
        try:
            return read_instant(value)
        except ValueError:
            self.repairs.count("unreadable values of created_at")
            return None

    def _number(self, value: t.Any, column: str) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, (list, dict, bool)):
            self.repairs.misfit(column)
            return None
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            self.repairs.misfit(column)
            return None
        if not fits_a_double(number):
            self.repairs.count("numbers beyond any range")
            return None
        return number

    def _date(self, value: t.Any, column: str) -> date | None:
        if value is None:
            return None
        try:
            read = read_date(value)
        except ValueError:
            self.repairs.misfit(column)
            return None
        return read.date() if isinstance(read, datetime) else read


def fits_a_double(number: Decimal) -> bool:
    """Tell whether a number is one that a warehouse can hold."""
    if not number.is_finite():
        return False
    return not number or _SMALLEST_NUMBER <= number.copy_abs() <= _LARGEST_NUMBER


def contact_id(raw: t.Any) -> int:
    """Give the key of what should be a contact.

    Args:
        raw: A decoded JSON value.

    Raises:
        NoContactError: It is no object, or its id is no integer within 64 bits.
    """
    if not isinstance(raw, dict):
        msg = "it is no JSON object"
        raise NoContactError(msg)
    if "id" not in raw:
        msg = "it has no id"
        raise NoContactError(msg)
    key = raw["id"]
    if not isinstance(key, int) or isinstance(key, bool):
        msg = "its id is no integer"
        raise NoContactError(msg)
    if not _SMALLEST_ID <= key <= _LARGEST_ID:
        msg = "its id does not fit into 64 bits"
        raise NoContactError(msg)
    return key


def _printable(name: str) -> str:
    return ascii(name[:60])[1:-1]


def line_error(number: int, reason: NoContactError) -> RecordError:
    """Say that a line of an export file is no contact: where it stands, never what it holds."""
    return RecordError(f"Line {number} of an export file is no contact: {reason}", _ADVICE)


def page_error(reason: NoContactError) -> RecordError:
    """Say that something on a page is no contact, never what it holds."""
    return RecordError(f"Something on a page of the list is no contact: {reason}", _ADVICE)
