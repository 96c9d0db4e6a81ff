"""The file's store: S3 behind a presigned URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    import requests

    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly


def error(answer: requests.Response) -> tuple[int, str | None, str | None]:
    """Status, code and message."""
    assert answer.headers["Content-Type"] == "application/xml"
    root = ET.fromstring(answer.content)  # noqa: S314 - our own sandbox wrote it
    assert root.tag == "Error"
    return answer.status_code, root.findtext("Code"), root.findtext("Message")


@pytest.mark.parametrize(("options", "lifetime"), [({}, 900), ({"url_lifetime": 10}, 10)])
def test_a_url_expires_and_another_poll_gives_one_that_works(
    cometly: StartCometly, clock: Clock, options: dict[str, Any], lifetime: int
) -> None:
    client = cometly(clock, **options)
    export_id = client.export()
    url = client.url(export_id)

    clock.advance(lifetime - 1)
    assert client.fetch(url).status_code == 200
    clock.advance(1)
    assert error(client.fetch(url)) == (403, "AccessDenied", "Request has expired")
    assert client.fetch(client.url(export_id)).status_code == 200


def test_an_authorization_header_is_refused(client: Client) -> None:
    answer = client.fetch(client.completed(), Authorization="Bearer ck_sandbox")

    assert error(answer)[:2] == (400, "InvalidArgument")


def test_a_signature_is_good_for_one_file_and_get_only(client: Client) -> None:
    url, other = client.completed(), client.completed()
    path, _, signature = url.partition("?")
    mismatch = (403, "SignatureDoesNotMatch")

    assert error(client.fetch(f"{url[:-1]}!"))[:2] == mismatch
    assert error(client.fetch(f"{other.partition('?')[0]}?{signature}"))[:2] == mismatch
    assert error(client.http.put(url, timeout=10))[:2] == mismatch
    assert error(client.fetch(path))[:2] == (403, "AccessDenied")
    unknown = url.replace("/exports/", "/exports/9")
    assert error(client.fetch(unknown))[:2] == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)), ("bytes=-8", slice(-8, None))],
)
def test_a_range_is_served(client: Client, wanted: str, part: slice) -> None:
    url = client.completed()
    whole = client.fetch(url)

    answer = client.fetch(url, Range=wanted)

    assert answer.status_code == 206
    assert answer.content == whole.content[part]
    first, *_, last = range(len(whole.content))[part]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole.content)}"
    assert answer.headers["ETag"] == whole.headers["ETag"]
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    assert error(client.fetch(url, Range="bytes=99999-"))[:2] == (416, "InvalidRange")
