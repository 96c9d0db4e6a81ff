"""Cometly's three calls as a Starlette application."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from tests.sandbox.answer import Answer, Delivery, Refusal
from tests.sandbox.exports import answer_create, answer_poll
from tests.sandbox.pages import answer_list

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.sandbox.faults import Endpoint
    from tests.sandbox.sandbox import Sandbox

BASE_PATH = "/public-api/v1"


class Api:
    """Key, limit, fault, work; in this order, as Laravel's middleware has it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.app = Starlette(
            routes=[
                self._route("list", "GET", f"{BASE_PATH}/contacts"),
                self._route("create", "POST", f"{BASE_PATH}/contacts/exports"),
                self._route("poll", "GET", f"{BASE_PATH}/contacts/exports/{{export_id}}"),
                self._route("other", None, "/{path:path}"),
            ]
        )

    def _route(self, endpoint: Endpoint | Literal["other"], method: str | None, path: str) -> Route:
        async def serve(request: Request) -> Delivery:
            return await self._serve(request, endpoint)

        return Route(path, serve, methods=[method] if method else _ALL_METHODS)

    async def _serve(self, request: Request, endpoint: Endpoint | Literal["other"]) -> Delivery:
        body = _body(request, await request.body())
        noted = self._sandbox.note(endpoint, request, body)
        if endpoint == "poll":
            await self._wait_for_the_file(request.path_params["export_id"])
        answer = self._sandbox.send(lambda: self._answer(request, endpoint, body or {}))
        return Delivery(answer, self._sandbox.closing, noted)

    async def _wait_for_the_file(self, export_id: str) -> None:
        """On a clock of the test's, writing takes no time: it would race ahead of the writer."""
        sandbox = self._sandbox
        job = sandbox.jobs.get(int(export_id)) if export_id.isdecimal() else None
        if job is None or sandbox.now is time.time:
            return
        while job.is_late(sandbox.now()) and not sandbox.closing.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    def _answer(
        self, request: Request, endpoint: Endpoint | Literal["other"], body: dict[str, Any]
    ) -> Answer:
        if endpoint == "other":
            return self._dated(self._not_found(request))
        fault = None
        try:
            self._check_key(request, endpoint)
            self._take(endpoint)
        except Refusal as refusal:
            answer = _refused(request, refusal)
        else:
            fault = self._sandbox.strike(endpoint, request.path_params.get("export_id"))
            attempt = partial(self._attempt, request, endpoint, body)
            answer = fault.around(attempt) if fault else attempt()
        answer = self._dated(answer).with_headers(self._sandbox.limiter.headers(endpoint))
        return fault.spoil(answer) if fault else answer

    def _dated(self, answer: Answer) -> Answer:
        return answer.with_headers({"Date": formatdate(self._sandbox.now(), usegmt=True)})

    def _not_found(self, request: Request) -> Answer:
        path = request.url.path.lstrip("/")
        return _refused(request, Refusal(404, f"The route {path} could not be found."))

    def _attempt(self, request: Request, endpoint: Endpoint, body: dict[str, Any]) -> Answer:
        try:
            return self._work(request, endpoint, body)
        except Refusal as refusal:
            return _refused(request, refusal)

    def _work(self, request: Request, endpoint: str, body: dict[str, Any]) -> Answer:
        sandbox = self._sandbox
        if endpoint == "list":
            url = str(request.url.replace(query=""))
            return answer_list(sandbox, dict(request.query_params), url)
        if endpoint == "create":
            answer = answer_create(sandbox, body)
            seconds = sandbox.options.queued_seconds
            asyncio.get_running_loop().call_later(seconds, sandbox.jobs.advance)
            return answer
        return answer_poll(sandbox, request.path_params["export_id"])

    def _check_key(self, request: Request, endpoint: str) -> None:
        options = self._sandbox.options
        if request.headers.get("authorization") != f"Bearer {options.api_key}":
            raise Refusal(401, "Unauthenticated.")
        if endpoint in options.forbidden:
            raise Refusal(403, "This action is unauthorized.")

    def _take(self, endpoint: str) -> None:
        wait = self._sandbox.limiter.take(endpoint)
        if wait is not None:
            raise Refusal(429, "Too Many Attempts.", headers={"Retry-After": str(wait)})


def _refused(request: Request, refusal: Refusal) -> Answer:
    return refusal.answer(as_json="json" in request.headers.get("accept", ""))


_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _body(request: Request, content: bytes) -> dict[str, Any] | None:
    """As Laravel reads it: JSON when the header says so, else a form."""
    if not content:
        return None
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(content.decode("latin-1")))
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
