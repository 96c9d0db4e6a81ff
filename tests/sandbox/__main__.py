"""The sandbox for people: `python -m tests.sandbox --contacts 8000`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, get_args

from tests.sandbox import Limits, Options, Sandbox, dated
from tests.sandbox.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def main() -> None:
    arguments = _parser().parse_args()
    options = _options(arguments)
    ports = {"port": arguments.port, "store_port": arguments.store_port}
    signal.signal(signal.SIGTERM, _interrupt)
    with Sandbox(options, **ports) as sandbox, suppress(KeyboardInterrupt):
        start, end = _utc(arguments.start), _utc(arguments.end)
        sandbox.space.fill(arguments.contacts, start, end, arguments.seed, arguments.shape)
        _say(_welcome(sandbox, arguments))
        while True:
            time.sleep(3600)
    _say(f"\nStopped after {sum(sandbox.log_calls().values())} calls.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox",
        description="A Cometly to run against, with invented contacts. Ctrl-C stops it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--contacts", type=int, default=8000, help="how many")
    parser.add_argument("--start", default="2024-01-01", help="creation of the first, UTC")
    parser.add_argument("--end", default="2024-12-31", help="creation of the last, UTC")
    parser.add_argument("--shape", choices=get_args(Shape), default="flat", help="over the time")
    parser.add_argument("--seed", type=int, default=0, help="other contacts, other times")
    parser.add_argument("--port", type=int, default=8765, help="of the API; 0: any free one")
    parser.add_argument("--store-port", type=int, default=0, help="of the files; 0: any free one")
    parser.add_argument("--timezone", default="UTC", help="of the Space")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds of a limit's minute")
    parser.add_argument(
        "--dated", action="store_true", help="records tell created_at, and the list emails, too"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="any other of tests/sandbox/options.py, such as created_at='\"absent\"'",
    )
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    changes: dict[str, Any] = {"timezone": arguments.timezone, "minute": arguments.minute}
    names = {field.name for field in fields(Options)}
    for setting in arguments.option:
        name, _, text = setting.partition("=")
        if name not in names:
            sys.exit(f"There is no option {name!r}; there are {', '.join(sorted(names))}.")
        changes[name] = _FROM_JSON.get(name, _as_it_is)(json.loads(text))
    return dated(**changes) if arguments.dated else Options(**changes)


def _as_it_is(value: object) -> object:
    return value


_FROM_JSON: dict[str, Callable[[Any], object]] = {
    "custom_field_labels": lambda labels: {int(number): label for number, label in labels.items()},
    "forbidden": frozenset,
    "refuses_future": frozenset,
    "limits": lambda limits: Limits(**limits),
}


def _welcome(sandbox: Sandbox, arguments: argparse.Namespace) -> str:
    config = {
        "api_key": sandbox.options.api_key,
        "api_url": sandbox.api_url,
        "start_date": _utc(arguments.start).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "timezone": sandbox.options.timezone,
    }
    return (
        f"API    {sandbox.api_url}\n"
        f"files  {sandbox.store_url}\n"
        f"key    {sandbox.options.api_key}\n"
        f"holds  {arguments.contacts} contacts\n\n"
        f"A config for the tap:\n\n{json.dumps(config, indent=2)}\n\n"
        "Ctrl-C stops it."
    )


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
