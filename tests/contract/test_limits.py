"""Rate limits: per endpoint, per minute, for the whole Space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import reading
from tests.sandbox import Limits

if TYPE_CHECKING:
    import requests

    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly


def limit(answer: requests.Response) -> tuple[int, int, int]:
    """Status, limit and what remains of it."""
    told = answer.headers
    left = int(told["X-RateLimit-Remaining"])
    return answer.status_code, int(told["X-RateLimit-Limit"]), left


@reading(limits=Limits())
def test_15_lists_5_exports_and_30_polls_a_minute(client: Client) -> None:
    lists = [limit(client.page()) for _ in range(16)]
    creates = [limit(client.create()) for _ in range(6)]
    polls = [limit(client.poll(1001)) for _ in range(31)]

    assert lists == [*((200, 15, left) for left in range(14, -1, -1)), (429, 15, 0)]
    assert creates == [*((202, 5, left) for left in range(4, -1, -1)), (429, 5, 0)]
    assert polls == [*((200, 30, left) for left in range(29, -1, -1)), (429, 30, 0)]


@pytest.mark.parametrize(("window", "minute"), [("sliding", 60), ("fixed", 60), ("sliding", 3)])
def test_calls_are_free_again_after_the_minute(
    cometly: StartCometly, clock: Clock, window: str, minute: int
) -> None:
    client = cometly(clock, limits=Limits(list=2), limit_window=window, minute=minute)

    answers = [client.page() for _ in range(3)]
    clock.advance(minute - 0.1)
    answers.append(client.page())
    clock.advance(0.2)

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[2].json() == {"message": "Too Many Attempts."}
    assert [answer.headers["Retry-After"] for answer in answers[2:]] == [str(minute), "1"]
    assert client.page().status_code == 200


@pytest.mark.parametrize(("window", "status"), [("sliding", 429), ("fixed", 200)])
def test_a_fixed_minute_frees_all_calls_at_once(
    cometly: StartCometly, clock: Clock, window: str, status: int
) -> None:
    client = cometly(clock, limits=Limits(list=2), limit_window=window)
    client.page()
    clock.advance(40)
    client.page()
    clock.advance(25)

    assert [client.page().status_code for _ in range(2)] == [200, status]


@reading(limits=Limits(), forbidden=frozenset({"create"}))
def test_every_answer_has_the_headers_and_a_refused_key_uses_up_nothing(client: Client) -> None:
    assert limit(client.page(per_page=0)) == (422, 15, 14)
    assert limit(client.create()) == (403, 5, 5)
    assert limit(client.poll(1)) == (404, 30, 29)
    client.headers["Authorization"] = "Bearer ck_other"
    assert limit(client.page()) == (401, 15, 14)


@reading(limits=Limits())
def test_other_clients_take_calls_and_limits_can_be_raised_and_lowered(client: Client) -> None:
    client.page()
    client.sandbox.take("list", 13)
    assert [limit(client.page()) for _ in range(2)] == [(200, 15, 0), (429, 15, 0)]

    client.change_options(limits=Limits(list=60))
    assert limit(client.page()) == (200, 60, 44)

    client.change_options(limits=Limits(list=2))
    client.sandbox.take("list", 99)
    assert limit(client.page()) == (429, 2, 0)
