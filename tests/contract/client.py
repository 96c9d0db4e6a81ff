"""A caller of the API that does nothing by itself."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.sandbox import Fault

if TYPE_CHECKING:
    import requests

    from tests.sandbox import Sandbox
    from tests.sandbox.space import Space

YEAR = ("2024-01-01 00:00:00", "2024-12-31 23:59:59")
"""Start and end of the range that most tests ask for."""


class Client:
    """`requests`, the headers that each call carries, and a sandbox to talk to."""

    def __init__(self, sandbox: Sandbox, http: requests.Session) -> None:
        self.sandbox = sandbox
        self.http = http
        self.headers = {
            "Authorization": f"Bearer {sandbox.options.api_key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }

    def get(self, path: str, params: dict[str, Any] | None = None) -> requests.Response:
        url = self.sandbox.api_url + path
        return self.http.get(url, params=params, headers=self.headers, timeout=10)

    @property
    def space(self) -> Space:
        return self.sandbox.space

    def change_options(self, **changes: Any) -> None:
        self.sandbox.options = replace(self.sandbox.options, **changes)

    def fault(self, endpoint: Any, kind: Any = "status", **more: Any) -> None:
        self.sandbox.fault(Fault(endpoint, kind, **more))

    def page(self, start: str = YEAR[0], end: str = YEAR[1], **params: object) -> requests.Response:
        return self.get("/contacts", {"start_date": start, "end_date": end, **params})

    def contacts(self, start: str = YEAR[0], end: str = YEAR[1], **params: object) -> list[Any]:
        """The data of one page."""
        answer = self.page(start, end, **params)
        assert answer.status_code == 200, answer.text
        data: list[Any] = answer.json()["data"]
        return data

    def ids(self, start: str = YEAR[0], end: str = YEAR[1], **params: object) -> list[int]:
        return [contact["id"] for contact in self.contacts(start, end, **params)]

    def create(self, start: str = YEAR[0], end: str = YEAR[1], **body: object) -> requests.Response:
        return self.post({"start_date": start, "end_date": end, **body})

    def export(self, start: str = YEAR[0], end: str = YEAR[1], **body: object) -> int:
        """The id of a new export."""
        export_id: int = self.create(start, end, **body).json()["export_id"]
        return export_id

    def post(self, body: dict[str, Any]) -> requests.Response:
        url = self.sandbox.api_url + "/contacts/exports"
        return self.http.post(url, json=body, headers=self.headers, timeout=10)

    def poll(self, export_id: int) -> requests.Response:
        return self.get(f"/contacts/exports/{export_id}")

    def finished(self, export_id: int) -> dict[str, Any]:
        """The poll that finds the job completed or failed."""
        for _ in range(500):
            answer: dict[str, Any] = self.poll(export_id).json()
            if answer["status"] in {"completed", "failed"}:
                return answer
            time.sleep(0.01)
        message = f"export {export_id} does not come to an end"
        raise AssertionError(message)

    def url(self, export_id: int) -> str:
        """Where a finished export's file is."""
        url: str = self.finished(export_id)["download_url"]
        return url

    def completed(self) -> str:
        """The URL of a new export's file."""
        return self.url(self.export())

    def fetch(self, url: str, **headers: str) -> requests.Response:
        """From the store, without the headers of the API."""
        return self.http.get(url, headers=headers, timeout=10)

    def content(self, export_id: int) -> bytes:
        """A finished export's file, unzipped."""
        return gzip.decompress(self.fetch(self.url(export_id)).content)

    def exported(self, start: str = YEAR[0], end: str = YEAR[1], **body: object) -> list[Any]:
        """The contacts of a new export."""
        return rows(self.content(self.export(start, end, **body)))

    def exported_ids(self, start: str = YEAR[0], end: str = YEAR[1]) -> list[int]:
        return [contact["id"] for contact in self.exported(start, end)]


def rows(content: bytes) -> list[Any]:
    """The contacts of an unzipped file."""
    return [json.loads(line) for line in content.splitlines() if line]


def seconds(text: str) -> float:
    """A time as the API writes it, in epoch seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
