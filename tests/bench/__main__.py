"""Prints how fast the tap would be on Spaces of any size: `python -m tests.bench`."""

from __future__ import annotations

from datetime import timedelta

from tests.bench.simulation import Outcome, simulate
from tests.bench.spaces import SHAPES, Space

SIZES = (1_000_000, 10_000_000, 100_000_000)

_HEADER = (
    "contacts, millions",
    "creation",
    "time",
    "exports",
    "list / create / poll",
    "spool, MB",
    "largest window / target",
    "time / bound",
)


def main() -> None:
    _print(_HEADER)
    _print(["---"] * len(_HEADER))
    for contacts in SIZES:
        for shape in SHAPES:
            _print(_row(contacts, shape.name, simulate(Space(contacts, shape))))


def _row(contacts: int, shape: str, outcome: Outcome) -> list[str]:
    return [
        f"{contacts // 1_000_000}",
        shape,
        str(timedelta(seconds=round(outcome.wall))),
        str(outcome.posts),
        " / ".join(str(outcome.requests[kind]) for kind in ("list", "create", "poll")),
        f"{outcome.spool / 1e6:.0f}",
        f"{outcome.largest:.2f}",
        f"{outcome.ratio:.2f}",
    ]


def _print(cells: tuple[str, ...] | list[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)  # noqa: T201, it is what this is for


if __name__ == "__main__":
    main()
