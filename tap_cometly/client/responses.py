"""Responses: a body read whole, a status as an exception, and texts made fit for a log."""

from __future__ import annotations

import json
import re
import typing as t

import requests
import urllib3
from isal import isal_zlib
from requests.exceptions import ContentDecodingError, ReadTimeout

from tap_cometly.exceptions import (
    AccessError,
    AnswerLostError,
    ApiError,
    ExportBusyError,
    ForbiddenError,
    RejectedError,
    machine_error,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

_PART = 2**16  # bytes
_LARGEST = 128 * 2**20  # bytes; a page of 5,000 contacts has 1 to 10 million
_GZIP_FRAME = 31  # zlib's `wbits`
ZipError = t.cast("type[Exception]", isal_zlib.error)


class Answer(t.NamedTuple):
    """What came back.

    Attributes:
        status: The HTTP status.
        retry_after: The header of that name.
        body: As it came.
        encoding: What its header says about it.
    """

    status: int
    retry_after: str | None
    body: bytes
    encoding: str

    @classmethod
    def received(cls, response: requests.Response, too_late: Callable[[], bool]) -> Answer:
        """Read an answer to its end.

        Raises:
            ReadTimeout: It takes too long, as `too_late` says after each part, or is too large.
            urllib3.exceptions.HTTPError: The connection broke.
        """
        body = bytearray()
        while part := response.raw.read1(_PART, decode_content=False):  # as it comes, if slowly
            body += part
            if len(body) > _LARGEST or too_late():
                msg = "the answer takes too long or is too large"
                raise ReadTimeout(msg)
        headers = response.headers
        encoding = headers.get("Content-Encoding", "").strip().lower()
        return cls(response.status_code, headers.get("Retry-After"), bytes(body), encoding)

    def unzipped(self) -> bytes:
        """Return the body without its encoding; `requests` takes twice as long (measured).

        Raises:
            ContentDecodingError: It is not encoded as it says.
        """
        if not self.body or self.encoding in {"", "identity"}:
            return self.body
        unzip = isal_zlib.decompressobj(_GZIP_FRAME)
        try:
            whole: bytes = unzip.decompress(self.body, _LARGEST)
        except ZipError:
            msg = "the answer is not encoded as it says"
            raise ContentDecodingError(msg) from None
        if not unzip.eof:
            msg = "the answer is cut, or too large"
            raise ContentDecodingError(msg)
        return whole


_IN_PROGRESS = re.compile(
    r"in progress|already (running|exists|queued)|being processed", re.IGNORECASE
)

_UNSENDABLE = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)


def error_for_status(method: str, path: str, status: int, content: bytes, secret: str) -> ApiError:
    """Return the exception for a status that a retry would not change.

    Of the body only its message is quoted, without the secret key.
    """
    said = scrub(_message(content), secret)
    what = f"Cometly's API answered {method} {path} with status {status}: {said}"
    match status:
        case 401:
            what = f"Cometly's API does not accept the key (status {status}: {said})"
            return AccessError(what, "Check the setting `api_key`.")
        case 403:
            what = f"The key may not do this: {method} {path} (status {status}: {said})"
            advice = "Check the key's rights and the Space's subscription with Cometly."
            return ForbiddenError(what, advice)
        case _ if 300 <= status < 400:  # noqa: PLR2004, it could lead anywhere
            what = f"Cometly's API answered {method} {path} with a redirect (status {status})"
        case 422:
            return RejectedError(what, "Check the settings it speaks of.")
    return ApiError(what, "Check the setting `api_url`; if it is right, ask Cometly.")


def busy_error(status: int, content: bytes, secret: str, seconds: float) -> ExportBusyError | None:
    """Return the error for an export that cannot be created while another one is in progress.

    Returns:
        The error to raise, with the seconds to wait; None where the answer means something else.
    """
    message = _message(content)
    speaks_of_it = status in {400, 422} and _IN_PROGRESS.search(message)
    if status not in {409, 423, 425} and not speaks_of_it:
        return None
    what = f"Cometly's API is busy with another export (status {status}: {scrub(message, secret)})"
    return ExportBusyError(what, "Run again later.", seconds)


def describe_failure(failure: Exception, *, service: str = "Cometly's API") -> str:
    """Name a failed exchange without quoting it, for it may quote URLs and bodies.

    Raises:
        ApiError: Trying again would not help: it is about TLS, the proxy, or a setting.
        MachineError: The machine refuses what the request needs.
    """
    if isinstance(failure, requests.exceptions.SSLError) or "SSL" in type(failure).__name__:
        msg = f"The TLS certificate of {service} could not be verified"
        advice = "Check `api_url`, the machine's clock, and REQUESTS_CA_BUNDLE behind a proxy."
        raise ApiError(msg, advice) from None
    if (refused := machine_error(failure)) is not None:
        raise refused from None
    if "CA certificate bundle" in str(failure):
        msg = "The file of certificates that the environment names cannot be read"
        raise ApiError(msg, "Correct or unset REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE).") from None
    if isinstance(failure, requests.exceptions.ProxyError):
        if "Tunnel connection failed: 407" in str(failure):  # a URL may hold the number, too
            msg = "The proxy wants a user and a password (407)"
            advice = "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT."
            raise ApiError(msg, advice) from None
        return "the proxy could not be used"
    if isinstance(failure, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if isinstance(failure, requests.exceptions.ContentDecodingError):
        return "an answer that cannot be unzipped"
    if "SOCKS" in str(failure) and isinstance(failure, requests.exceptions.InvalidSchema):
        msg = "The environment names a SOCKS proxy, and the package for it is not installed"
        raise ApiError(msg, "Install `pysocks`, or unset HTTPS_PROXY and ALL_PROXY.") from None
    if isinstance(failure, _UNSENDABLE):
        msg = "The request could not be made"
        raise ApiError(msg, "Check the settings `api_url` and `api_key`.") from None
    return "no connection" if never_sent(failure) else "the connection broke"


def never_sent(failure: Exception) -> bool:
    """Return whether a request surely did not reach the API: no connection was made."""
    if isinstance(failure, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def answer_lost(reason: str) -> AnswerLostError:
    """Return the error for when nobody knows whether an export was created."""
    msg = f"The answer to creating an export was lost ({reason})"
    return AnswerLostError(msg, "Run again; the bookmark is kept.")


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no message"


def scrub(text: str, secret: str) -> str:
    """Make a foreign text fit for a log: short, on one line, no key, address, number or query."""
    text = " ".join(text.replace(secret, "***").split())
    text = re.sub(r"[^\s@<>\"']+@[^\s@<>\"']+", "***", text)
    text = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)
    text = re.sub(r"\+\d[\d ().-]{5,}\d", "***", text)
    text = re.sub(r"[A-Za-z0-9+/=_-]{25,}", "***", text)
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
