"""An API that answers at once with what lies prepared, in a process whose CPU nobody counts.

`python -m tests.bench.cost.server FILE CONTACTS` serves the first contacts of a file and prints its
URL. It has no limits worth the name, no faults, and checks nothing: for those there is the sandbox.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import zlib
from datetime import datetime, timezone
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.bench.cost.data import MEMBER, Space, indices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LIMIT = "100000"  # requests a minute
_LEVEL = 1  # of compression on the way, nginx' own default


class Api(BaseHTTPRequestHandler):
    """The list, exports that are complete as soon as they are asked for, and their files."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    space: ClassVar[Space]
    contacts: ClassVar[int]
    exports: ClassVar[dict[int, range]] = {}
    _numbers = itertools.count(1)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        kind, _, number = url.path.rpartition("/")
        if number == "contacts":
            self._list(query)
        elif kind.endswith("/files"):
            self._file(range(self.contacts) if number == "all" else self.exports[int(number)])
        else:
            host = self.headers["Host"]
            self._json({"status": "completed", "download_url": f"http://{host}/files/{number}"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = next(self._numbers)
        self.exports[number] = self._wanted(body)
        self._json({"export_id": number, "status": "queued"}, status=202)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _wanted(self, query: Mapping[str, str]) -> range:
        if "start_date" not in query:
            return range(self.contacts)
        return indices(_utc(query["start_date"]), _utc(query["end_date"]), self.contacts)

    def _list(self, query: Mapping[str, str]) -> None:
        wanted = self._wanted(query)
        end = int(query.get("cursor", wanted.stop))
        begin = max(end - int(query.get("per_page", 200)), wanted.start)
        cursor = str(begin) if begin > wanted.start else None
        zipped = "gzip" in self.headers.get("Accept-Encoding", "")
        body = _page(
            self.space,
            range(begin, max(begin, end)),
            cursor,
            tokens="include_comet_tokens" in query,
            zipped=zipped,
        )
        self._send(body, {"Content-Encoding": "gzip"} if zipped else {})

    def _json(self, body: object, status: int = 200) -> None:
        self._send(json.dumps(body).encode(), {}, status)

    def _send(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self._begin(status, len(body), {"Content-Type": "application/json", **headers})
        self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("X-RateLimit-Limit", _LIMIT)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, wanted: range) -> None:
        """Send whole members as they lie there, between parts of members at either end."""
        members = range(-(-wanted.start // MEMBER), wanted.stop // MEMBER)
        if not members:
            head, tail, members = wanted, range(0), range(0)
        else:
            head = range(wanted.start, members.start * MEMBER)
            tail = range(members.stop * MEMBER, wanted.stop)
        before, after = _zipped(self.space, head), _zipped(self.space, tail)
        begin, size = self.space.zipped(members) if members else (0, 0)
        kind = {"Content-Type": "application/gzip"}
        self._begin(200, len(before) + size + len(after), kind)
        self.wfile.write(before)
        with self.space.path.open("rb") as file:
            while size:
                sent = os.sendfile(self.connection.fileno(), file.fileno(), begin, size)
                begin, size = begin + sent, size - sent
        self.wfile.write(after)


@lru_cache(1024)
def _page(space: Space, wanted: range, cursor: str | None, *, tokens: bool, zipped: bool) -> bytes:
    """Newest first, as the list has it."""
    lines = b"".join(space.lines(wanted)).splitlines()
    if not tokens:
        lines = [line.partition(b',"comet_tokens"')[0] + b"}" for line in lines]
    end = json.dumps({"per_page": MEMBER, "next_cursor": cursor}).encode()
    body = b'{"data":[' + b",".join(reversed(lines)) + b"]," + end[1:]
    return _gzip(iter([body]), _LEVEL) if zipped else body


@lru_cache(1024)
def _zipped(space: Space, wanted: range) -> bytes:
    return _gzip(space.lines(wanted), 6) if wanted else b""


def _gzip(parts: Iterator[bytes], level: int) -> bytes:
    zipper = zlib.compressobj(level, wbits=31)
    return b"".join(map(zipper.compress, parts)) + zipper.flush()


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def main() -> None:
    Api.space, Api.contacts = Space(Path(sys.argv[1])), int(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201, who started it reads it
    server.serve_forever()


if __name__ == "__main__":
    main()
