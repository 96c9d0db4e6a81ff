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
from typing import TYPE_CHECKING, Any

from tests.sandbox import Limits, Options, Sandbox, dated

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

START, END = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2024, 2025))


def main() -> None:
    arguments = _parser().parse_args()
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    with Sandbox(options, port=arguments.port) as sandbox, suppress(KeyboardInterrupt):
        sandbox.space.fill(arguments.contacts, START, END)
        _say(_welcome(sandbox, arguments.contacts))
        while True:
            time.sleep(3600)
    _say(f"\nStopped after {sum(sandbox.log_calls().values())} calls.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox",
        description="A Cometly to run against, with invented contacts of 2024. Ctrl-C stops it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--contacts", type=int, default=8000, help="how many")
    parser.add_argument("--port", type=int, default=8765, help="of the API; 0: any free one")
    parser.add_argument("--timezone", default="UTC", help="of the Space")
    parser.add_argument(
        "--dated", action="store_true", help="records tell created_at, and the list emails, too"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="any other of tests/sandbox/options.py, such as minute=3",
    )
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    changes: dict[str, Any] = {"timezone": arguments.timezone}
    names = {field.name for field in fields(Options)}
    for setting in arguments.option:
        name, _, text = setting.partition("=")
        if name not in names:
            sys.exit(f"There is no option {name!r}; there are {', '.join(sorted(names))}.")
        value = json.loads(text)
        changes[name] = _FROM_JSON[name](value) if name in _FROM_JSON else value
    return dated(**changes) if arguments.dated else Options(**changes)


_FROM_JSON: dict[str, Callable[[Any], object]] = {
    "forbidden": frozenset,
    "refuses_future": frozenset,
    "limits": lambda limits: Limits(**limits),
}


def _welcome(sandbox: Sandbox, contacts: int) -> str:
    config = {
        "api_key": sandbox.options.api_key,
        "api_url": sandbox.api_url,
        "start_date": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "timezone": sandbox.options.timezone,
    }
    return (
        f"API    {sandbox.api_url}\n"
        f"files  {sandbox.store_url}\n"
        f"key    {sandbox.options.api_key}\n"
        f"holds  {contacts} contacts\n\n"
        f"A config for the tap:\n\n{json.dumps(config, indent=2)}\n\n"
        "Ctrl-C stops it."
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
