"""Rate limits: per endpoint, per minute, for the whole Space."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from tests.sandbox import Limits, Options

if TYPE_CHECKING:
    import requests

    from tests.contract.conftest import Clock, StartCometly

    Window: TypeAlias = Literal["sliding", "fixed"]


def limit(answer: requests.Response) -> tuple[int, int, int]:
    """Status, limit and what remains of it."""
    headers = answer.headers
    return (
        answer.status_code,
        int(headers["X-RateLimit-Limit"]),
        int(headers["X-RateLimit-Remaining"]),
    )


def test_15_lists_5_exports_and_30_polls_a_minute(cometly: StartCometly) -> None:
    client = cometly(Options())

    lists = [limit(client.page()) for _ in range(16)]
    creates = [limit(client.create()) for _ in range(6)]
    polls = [limit(client.poll(1001)) for _ in range(31)]

    assert lists == [*((200, 15, left) for left in range(14, -1, -1)), (429, 15, 0)]
    assert creates == [*((202, 5, left) for left in range(4, -1, -1)), (429, 5, 0)]
    assert polls == [*((200, 30, left) for left in range(29, -1, -1)), (429, 30, 0)]


def test_a_429_tells_when_to_come_back(cometly: StartCometly) -> None:
    client = cometly(Options(limits=Limits(list=1)))
    client.page()

    answer = client.page()

    assert answer.status_code == 429
    assert 59 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json() == {"message": "Too Many Attempts."}


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_calls_are_free_again_after_the_minute(
    cometly: StartCometly, clock: Clock, window: Window
) -> None:
    client = cometly(Options(limits=Limits(list=2), limit_window=window), monotonic=clock)

    statuses = [client.page().status_code for _ in range(3)]
    clock.advance(59.9)
    early = client.page()
    clock.advance(0.2)

    assert statuses == [200, 200, 429]
    assert (early.status_code, early.headers["Retry-After"]) == (429, "1")
    assert client.page().status_code == 200


@pytest.mark.parametrize(("window", "status"), [("sliding", 429), ("fixed", 200)])
def test_a_fixed_minute_frees_all_calls_at_once(
    cometly: StartCometly, clock: Clock, window: Window, status: int
) -> None:
    client = cometly(Options(limits=Limits(list=2), limit_window=window), monotonic=clock)
    client.page()
    clock.advance(40)
    client.page()
    clock.advance(25)

    assert client.page().status_code == 200
    assert client.page().status_code == status


def test_the_minute_can_be_shortened(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(limits=Limits(list=1), minute=3.0), monotonic=clock)
    client.page()

    assert client.page().headers["Retry-After"] == "3"
    clock.advance(3)
    assert client.page().status_code == 200


def test_every_answer_has_the_headers(cometly: StartCometly) -> None:
    client = cometly(Options(forbidden=frozenset({"create"})))

    assert limit(client.page(per_page=0)) == (422, 15, 14)
    assert limit(client.create()) == (403, 5, 5)
    assert limit(client.poll(1)) == (404, 30, 29)
    client.headers["Authorization"] = "Bearer ck_other"
    assert limit(client.page())[0] == 401


def test_a_refused_key_uses_up_nothing(cometly: StartCometly) -> None:
    client = cometly(Options())
    good = client.headers["Authorization"]
    client.headers["Authorization"] = "Bearer ck_other"
    client.page()
    client.headers["Authorization"] = good

    assert limit(client.page()) == (200, 15, 14)


def test_other_clients_of_the_space_share_the_limit(cometly: StartCometly) -> None:
    client = cometly(Options())

    client.sandbox.take("list", 14)

    assert limit(client.page()) == (200, 15, 0)
    assert limit(client.page()) == (429, 15, 0)


def test_others_may_take_more_than_there_is(cometly: StartCometly) -> None:
    client = cometly(Options())
    client.page()

    client.sandbox.take("list", 99)

    assert limit(client.page()) == (429, 15, 0)


def test_limits_can_be_raised_and_lowered_for_one_customer(cometly: StartCometly) -> None:
    client = cometly(Options())
    client.page()

    client.sandbox.options = replace(client.sandbox.options, limits=Limits(list=60))
    assert limit(client.page()) == (200, 60, 58)

    client.sandbox.options = replace(client.sandbox.options, limits=Limits(list=2))
    assert limit(client.page()) == (429, 2, 0)
