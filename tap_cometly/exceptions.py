"""What can go wrong, each with what to do about it.

Whoever raises one of these says what happened and what the user can do. The window that was being
read is added on the way up, where it is known, and the tap prints the whole as one ERROR line.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = t.TypeVar("_T")


class TapError(Exception):
    """An expected failure: what happened, where, and what to do next."""

    def __init__(self, what: str, advice: str) -> None:
        """Say what happened and what to do.

        Args:
            what: What happened, a sentence without its full stop. Never holds a key, a presigned
                signature or anything of a contact.
            advice: What the user can do, a whole sentence.
        """
        super().__init__(what, advice)
        self.what = what
        self.advice = advice
        self.where = ""

    def within(self, where: object) -> TapError:
        """Name the window that was being read, unless a narrower one is already named."""
        self.where = self.where or f" (contacts created {where})"
        return self

    def __str__(self) -> str:
        """Give the line the user reads."""
        return f"{self.what}{self.where}. {self.advice}"


def naming(where: object, things: Iterable[_T]) -> Iterator[_T]:
    """Go through some things, and name the window in whatever goes wrong on the way."""
    try:
        yield from things
    except TapError as error:
        raise error.within(where) from None


class SettingsError(TapError):
    """A setting is missing or wrong, or two of them contradict each other."""


class StateError(TapError):
    """The state that was passed in cannot be understood."""


class CatalogError(TapError):
    """The catalog asks for something this stream cannot do."""


class TimezoneError(TapError):
    """The Space keeps another time zone than the setting says."""


class RecordError(TapError):
    """Something that should be a contact is none."""


class ColumnError(TapError):
    """A column that was asked for is not delivered by this way of reading."""


class OutputError(TapError):
    """Standard output, or the private file for a download, can take no more."""


class ApiError(TapError):
    """Cometly's API answered in a way the tap cannot go on from."""


class AccessError(ApiError):
    """The key is missing or wrong, or may not do this (401, 403)."""


class ForbiddenError(AccessError):
    """The key is right but may not do this (403)."""


class RejectedError(ApiError):
    """The API found a parameter wrong (422)."""


class NotFoundError(ApiError):
    """The API knows no such export (404)."""


class UnavailableError(ApiError):
    """The API could not be reached, or only answered with errors, until patience ran out."""


class AnswerLostError(ApiError):
    """A request that must not simply be repeated went out, and no usable answer came back."""


class FileError(TapError):
    """An export file could not be had whole."""


class ExportError(TapError):
    """An export job failed or took too long."""


class GarbledError(Exception):
    """An answer of the API that cannot be read; asking again may help, so no user sees this."""


def tls_error(whom: str) -> ApiError:
    """Say that a certificate could not be verified; nothing is ever read without that."""
    msg = f"The TLS certificate of {whom} could not be verified"
    advice = "Check `api_url`, the machine's clock, and REQUESTS_CA_BUNDLE behind a proxy."
    return ApiError(msg, advice)
