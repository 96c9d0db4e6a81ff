"""The files' store: S3 as far as a presigned URL shows it."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlencode

from starlette.applications import Starlette
from starlette.routing import Route

from tests.sandbox.answer import Answer, Delivery, xml_answer
from tests.sandbox.wall_time import iso_utc

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.sandbox.export_file import ExportFile
    from tests.sandbox.sandbox import Sandbox

_KEY = re.compile(r"/exports/(\d+)\.ndjson\.gz")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TWO_MECHANISMS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
    "string parameter or the Authorization header should be specified"
)


class Grant(NamedTuple):
    """What a signature allows."""

    path: str
    expires: float


class Signatures:
    """Presigned URLs, each of them fresh; the older ones stay good until they expire."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def sign(self, path: str, now: float, lifetime: float) -> str:
        """The path with a signature."""
        signature = secrets.token_hex(32)
        self._grants[signature] = Grant(path, now + lifetime)
        stamp = datetime.fromtimestamp(now, timezone.utc)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"AKIAEXAMPLE/{stamp:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": f"{stamp:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(int(lifetime)),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": signature,
        }
        return f"{path}?{urlencode(query)}"

    def get(self, signature: str, path: str) -> Grant | None:
        grant = self._grants.get(signature)
        return grant if grant and grant.path == path else None

    def issued(self) -> list[str]:
        return list(self._grants)


class Store:
    """Serves the files of completed exports on a host of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=methods)])

    async def _serve(self, request: Request) -> Delivery:
        sandbox = self._sandbox
        noted = sandbox.note("file", request)
        answer = sandbox.send(lambda: self._answer(request))
        return Delivery(answer, sandbox.closing, noted)

    def _answer(self, request: Request) -> Answer:
        sandbox = self._sandbox
        key = _KEY.fullmatch(unquote(request.url.path))
        fault = sandbox.strike("file", key and key[1])
        answer = fault.around(lambda: self._work(request)) if fault else self._work(request)
        date = formatdate(sandbox.now(), usegmt=True)
        answer = answer.with_headers({"Date": date, "Server": "AmazonS3"})
        return fault.spoil(answer) if fault else answer

    def _work(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return xml_answer(400, "InvalidArgument", _TWO_MECHANISMS)
        signature = request.query_params.get("X-Amz-Signature")
        if signature is None:
            return xml_answer(403, "AccessDenied", "Access Denied")
        file = self._file(request.url.path)
        if file is None:
            return xml_answer(404, "NoSuchKey", "The specified key does not exist.")
        grant = self._sandbox.presigned.get(signature, request.url.path)
        if grant is None or request.method != "GET":
            return xml_answer(403, "SignatureDoesNotMatch", "The request signature does not match.")
        if self._sandbox.now() >= grant.expires:
            return self._expired(grant)
        answer = self._whole(file)
        return _part(answer, request.headers["range"]) if "range" in request.headers else answer

    def _file(self, path: str) -> ExportFile | None:
        key = _KEY.fullmatch(unquote(path))
        job = self._sandbox.jobs.get(int(key[1])) if key else None
        return job.file.result() if job and job.file and job.file.done() else None

    def _whole(self, file: ExportFile) -> Answer:
        options = self._sandbox.options
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
            "ETag": file.etag,
        }
        if options.content_encoding:
            headers["Content-Encoding"] = "gzip"
        return Answer(200, headers, file.content, file.rows, options.content_length)

    def _expired(self, grant: Grant) -> Answer:
        times = {"Expires": iso_utc(grant.expires), "ServerTime": iso_utc(self._sandbox.now())}
        return xml_answer(403, "AccessDenied", "Request has expired", **times)


def _part(answer: Answer, wanted: str) -> Answer:
    """What a Range header asks for; one that S3 cannot read is ignored."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or match.groups() == ("", ""):
        return answer
    size = len(answer.content)
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        unsatisfiable = xml_answer(416, "InvalidRange", "The requested range is not satisfiable")
        return unsatisfiable.with_headers({"Content-Range": f"bytes */{size}"})
    part = replace(answer, status=206, content=answer.content[start:stop])
    return part.with_headers({"Content-Range": f"bytes {start}-{stop - 1}/{size}"})
