"""The file's store: S3 behind a presigned URL."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.sandbox import Options

if TYPE_CHECKING:
    import requests

    from tests.contract.conftest import Clock, StartCometly


def error(answer: requests.Response) -> tuple[int, str | None, str | None]:
    """Status, code and message."""
    assert answer.headers["Content-Type"] == "application/xml"
    root = ET.fromstring(answer.content)  # noqa: S314 - our own sandbox wrote it
    assert root.tag == "Error"
    return answer.status_code, root.findtext("Code"), root.findtext("Message")


def test_a_url_expires_after_15_minutes(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(now=clock)
    url = client.completed()

    clock.advance(899)
    assert client.fetch(url).status_code == 200
    clock.advance(1)
    assert error(client.fetch(url)) == (403, "AccessDenied", "Request has expired")


def test_asking_again_gives_a_url_that_works(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(queued_seconds=0, url_lifetime=10), now=clock)
    export_id = client.create().json()["export_id"]
    stale = client.poll(export_id).json()["download_url"]
    clock.advance(11)

    assert client.fetch(stale).status_code == 403
    assert client.fetch(client.poll(export_id).json()["download_url"]).status_code == 200


def test_an_authorization_header_is_refused(cometly: StartCometly) -> None:
    client = cometly()

    status, code, _ = error(client.fetch(client.completed(), Authorization="Bearer ck_sandbox"))

    assert (status, code) == (400, "InvalidArgument")


def test_a_changed_signature_is_refused(cometly: StartCometly) -> None:
    client = cometly()
    url = client.completed()

    assert error(client.fetch(url[:-1] + "!"))[:2] == (403, "SignatureDoesNotMatch")
    assert error(client.fetch(url.partition("?")[0]))[:2] == (403, "AccessDenied")


def test_a_signature_is_good_for_one_file(cometly: StartCometly) -> None:
    client = cometly()
    first, second = client.completed(), client.completed()
    path, query = first.partition("?")[0], second.partition("?")[2]

    assert error(client.fetch(f"{path}?{query}"))[:2] == (403, "SignatureDoesNotMatch")


def test_a_signature_is_good_for_get_only(cometly: StartCometly) -> None:
    client = cometly()
    url = client.completed()

    assert client.http.head(url, timeout=10).status_code == 403
    assert error(client.http.put(url, timeout=10))[:2] == (403, "SignatureDoesNotMatch")


def test_an_unknown_file_is_404(cometly: StartCometly) -> None:
    client = cometly()
    url = client.completed().replace("/exports/", "/exports/9")

    assert error(client.fetch(url))[:2] == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)), ("bytes=-8", slice(-8, None))],
)
def test_a_range_is_served(cometly: StartCometly, wanted: str, part: slice) -> None:
    client = cometly()
    url = client.completed()
    whole = client.fetch(url).content

    answer = client.fetch(url, Range=wanted)

    assert answer.status_code == 206
    assert answer.content == whole[part]
    first, last = range(len(whole))[part][0], range(len(whole))[part][-1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"


def test_a_range_behind_the_end_is_416(cometly: StartCometly) -> None:
    client = cometly()

    answer = client.fetch(client.completed(), Range="bytes=99999-")

    assert error(answer)[:2] == (416, "InvalidRange")


def test_files_have_an_etag(cometly: StartCometly) -> None:
    client = cometly()
    url = client.completed()

    answer = client.fetch(url)

    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["ETag"] == client.fetch(url, Range="bytes=0-0").headers["ETag"]
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
