"""What an endpoint can be told to do wrong at its n-th call."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, get_args

from tests.sandbox.answer import Answer, html_answer, json_answer, xml_answer
from tests.sandbox.contact import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Endpoint = Literal["list", "create", "poll", "file"]
Kind = Literal[
    "status",  # this status instead of the work, with `headers` and `body`
    "hangup",  # the connection is closed instead of the work
    "lost",  # the work is done, then the connection is closed
    "slow",  # the work is done, the answer comes `seconds` later
    "trickle",  # the body comes at `bytes_per_second`
    "cut",  # the connection breaks within the body
    "truncate",  # the body ends early, as if that were all
    "garbage",  # 200 with a web page, or `body`, instead of the work
    "flip",  # one bit in the middle of the body is flipped
    "append",  # `body` follows the body
    "empty",  # nothing in the body
    "replace",  # `body` in place of the body
    "edit",  # `edit` changes the JSON answer (list, create, poll)
    "lines",  # `edit` changes the lines of the unzipped file (file)
]


@dataclass(frozen=True)
class Fault:
    """Strikes from the `call`-th call after it was set, `times` times (None: for ever).

    Only calls count that would have been answered: neither a wrong key, nor a 429, nor a blackout
    uses it up.
    """

    endpoint: Endpoint
    kind: Kind = "status"
    call: int = 1
    times: int | None = 1
    lasts: float | None = None
    """Instead of `times`: it strikes for so many seconds of the sandbox's clock, from the first."""
    export: int | None = None
    """Only calls about this job, by its number ("poll", "file"); the first job is 1."""
    status: int = 500
    message: str | None = None
    """What a "status" says, in the words of the API or the store."""
    after_work: bool = False
    """Whether a "status" or "garbage" comes when the work is done, as a gateway's 504 may."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Added to the answer; None removes one. A "replace" without `body` changes these alone."""
    body: bytes | None = None
    seconds: float = 0.0
    bytes_per_second: float = 100.0
    fraction: float = 0.5
    """How much of the body is still sent by "cut" and "truncate" ..."""
    bytes: int | None = None
    """... or how many bytes; negative ones count from the end."""
    reset: bool = True
    """Whether "cut" resets the connection or closes it in good manners."""
    content_length: bool = True
    """False: the answer comes in chunks, its length unannounced."""
    edit: Callable[[Any], Any] | None = None
    """Answers the new value, or None when it changed the given one in place."""

    def __post_init__(self) -> None:
        """A fault that can never strike is a mistake in a test."""
        file_only, api_only = self.kind == "lines", self.kind == "edit"
        if (
            self.kind not in get_args(Kind)
            or self.endpoint not in get_args(Endpoint)
            or (self.edit is not None) != (file_only or api_only)
            or (file_only and self.endpoint != "file")
            or (api_only and self.endpoint == "file")
            or (self.export is not None and self.endpoint not in {"poll", "file"})
            or (self.message is not None and self.kind != "status")
            or (self.after_work and self.kind not in {"status", "garbage"})
        ):
            message = f"there is no such fault: {self}"
            raise ValueError(message)

    def around(self, work: Callable[[], Answer]) -> Answer:
        """Answer a call: instead of the work, after it, or with what comes of it."""
        if self.kind in {"status", "hangup", "garbage"} and not self.after_work:
            return self._own_answer()
        answer = work()
        return self._own_answer() if self.after_work else answer

    def _own_answer(self) -> Answer:
        if self.kind == "garbage":
            return html_answer(200, "Just a moment...")
        if self.endpoint == "file":
            code = _S3_CODES.get(self.status, "InternalError")
            return xml_answer(self.status, code, self.message or _phrase(self.status))
        return json_answer(self.status, {"message": self.message or _phrase(self.status)})

    def spoil(self, answer: Answer) -> Answer:
        """The answer as this fault lets it out."""
        if self.edit and answer.status not in _EDITED:
            return answer
        spoiled = _SPOILERS[self.kind](self, answer).with_headers(self.headers)
        return spoiled if self.content_length else replace(spoiled, content_length=False)

    def stop(self, size: int) -> int:
        """How many bytes of a body are sent."""
        if self.bytes is None:
            return int(size * self.fraction)
        return max(0, min(size, self.bytes if self.bytes >= 0 else size + self.bytes))


_EDITED = {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.PARTIAL_CONTENT}
_S3_CODES = {403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}


def _phrase(status: int) -> str:
    return (
        "Server Error" if status == HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus(status).phrase
    )


def _with_body(fault: Fault, answer: Answer) -> Answer:
    return answer if fault.body is None else _another_file(answer, fault.body)


def _another_file(answer: Answer, content: bytes) -> Answer:
    headers = {name: text for name, text in answer.headers.items() if name != "Content-Range"}
    return replace(answer, content=content, headers=headers)


def _flipped(_fault: Fault, answer: Answer) -> Answer:
    content = bytearray(answer.content)
    if content:
        content[len(content) // 2] ^= 1
    return replace(answer, content=bytes(content))


def _with_edited_json(fault: Fault, answer: Answer) -> Answer:
    return replace(answer, content=to_json(_edited(fault, json.loads(answer.content))))


def _with_edited_lines(fault: Fault, answer: Answer) -> Answer:
    lines = _edited(fault, gzip.decompress(answer.content).splitlines())
    return _another_file(answer, gzip.compress(b"".join(b"%s\n" % line for line in lines)))


def _edited(fault: Fault, value: Any) -> Any:
    assert fault.edit is not None
    edited = fault.edit(value)
    return value if edited is None else edited


_SPOILERS: dict[Kind, Callable[[Fault, Answer], Answer]] = {
    **dict.fromkeys(("status", "garbage", "replace"), _with_body),
    **dict.fromkeys(("hangup", "lost"), lambda _, answer: answer.sent(hang_up=True)),
    "slow": lambda fault, answer: answer.sent(delay=fault.seconds),
    "trickle": lambda fault, answer: answer.sent(bytes_per_second=fault.bytes_per_second),
    "cut": lambda fault, answer: answer.sent(
        cut_after=fault.stop(len(answer.content)), reset=fault.reset
    ),
    "truncate": lambda fault, answer: replace(
        answer, content=answer.content[: fault.stop(len(answer.content))]
    ),
    "flip": _flipped,
    "append": lambda fault, answer: replace(
        answer, content=answer.content + (fault.body or b"junk")
    ),
    "empty": lambda _, answer: replace(answer, content=b""),
    "edit": _with_edited_json,
    "lines": _with_edited_lines,
}


@dataclass
class _SetFault:
    """A fault, how many calls it has seen, and when it first struck."""

    fault: Fault
    calls: int = 0
    began: float | None = None

    def strikes(self, now: float) -> bool:
        """Count a call."""
        self.calls += 1
        late = self.calls - self.fault.call
        if late < 0:
            return False
        if self.fault.lasts is None:
            return self.fault.times is None or late < self.fault.times
        if self.began is None:
            self.began = now
        return now < self.began + self.fault.lasts


class FaultBook:
    """The faults that are set."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._set: list[_SetFault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._set.append(_SetFault(fault))

    def clear(self) -> None:
        with self._lock:
            self._set.clear()

    def next(self, endpoint: str, export: int | None = None) -> Fault | None:
        """Count a call; of several faults that strike at it the first one set does."""
        now, striking = self._now(), None
        with self._lock:
            for each in self._set:
                fault = each.fault
                meant = fault.endpoint == endpoint and fault.export in {None, export}
                if meant and each.strikes(now):
                    striking = striking or fault
        return striking
