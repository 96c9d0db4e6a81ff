"""Cometly's three calls as a Starlette application."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from tests.sandbox.answer import Answer, Refusal
from tests.sandbox.delivery import Delivery
from tests.sandbox.exports import answer_create, answer_poll
from tests.sandbox.pages import answer_list

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.sandbox.limits import Allowance
    from tests.sandbox.world import World

BASE_PATH = "/public-api/v1"

_LIMITED = ("list", "create", "poll")


class Api:
    """Key, limit, fault, work; in this order, as Laravel's middleware has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.app = Starlette(
            routes=[
                Route(f"{BASE_PATH}/contacts", self._list, methods=["GET"]),
                Route(f"{BASE_PATH}/contacts/exports", self._create, methods=["POST"]),
                Route(f"{BASE_PATH}/contacts/exports/{{export_id}}", self._poll, methods=["GET"]),
                Route("/{path:path}", self._other, methods=_ALL_METHODS),
            ]
        )

    async def _list(self, request: Request) -> Delivery:
        return await self._serve(request, "list")

    async def _create(self, request: Request) -> Delivery:
        return await self._serve(request, "create")

    async def _poll(self, request: Request) -> Delivery:
        return await self._serve(request, "poll")

    async def _other(self, request: Request) -> Delivery:
        return await self._serve(request, "other")

    async def _serve(self, request: Request, endpoint: str) -> Delivery:
        body = _body(request, await request.body())
        number = self._world.log.arrived(endpoint, request, body)
        answer = self._answer(request, endpoint, body or {})
        return Delivery(
            answer,
            self._world.closing,
            lambda status: self._world.log.answered(number, status, answer.rows),
        )

    def _answer(self, request: Request, endpoint: str, body: dict[str, Any]) -> Answer:
        world = self._world
        fault = None
        try:
            self._check_key(request, endpoint)
            headers = self._take(endpoint)
            fault = world.faults.next(endpoint)
            instead = fault.instead_of_work() if fault and fault.prevents_work else None
            answer = instead or self._work(request, endpoint, body)
        except Refusal as refusal:
            headers = self._look(endpoint)
            answer = refusal.answer(as_json="json" in request.headers.get("accept", ""))
        answer = answer.with_headers({"Date": world.date(), **headers})
        return fault.spoil(answer) if fault else answer

    def _work(self, request: Request, endpoint: str, body: dict[str, Any]) -> Answer:
        world = self._world
        if endpoint == "list":
            url = str(request.url.replace(query=""))
            return answer_list(world, dict(request.query_params), url)
        if endpoint == "create":
            answer = answer_create(world, body)
            seconds = world.options.queued_seconds
            asyncio.get_running_loop().call_later(seconds, world.jobs.advance)
            return answer
        return answer_poll(world, request.path_params["export_id"])

    def _check_key(self, request: Request, endpoint: str) -> None:
        options = self._world.options
        if endpoint == "other":
            path = request.url.path.lstrip("/")
            raise Refusal(404, f"The route {path} could not be found.")
        if request.headers.get("authorization") != f"Bearer {options.api_key}":
            raise Refusal(401, "Unauthenticated.")
        if endpoint in options.forbidden:
            raise Refusal(403, "This action is unauthorized.")

    def _take(self, endpoint: str) -> dict[str, str]:
        allowance = self._world.limiter.take(endpoint)
        if allowance.retry_after is not None:
            headers = {"Retry-After": str(allowance.retry_after)}
            raise Refusal(429, "Too Many Attempts.", headers=headers)
        return _limit_headers(allowance)

    def _look(self, endpoint: str) -> dict[str, str]:
        if endpoint not in _LIMITED:
            return {}
        return _limit_headers(self._world.limiter.look(endpoint))


_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _limit_headers(allowance: Allowance) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
    }


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
