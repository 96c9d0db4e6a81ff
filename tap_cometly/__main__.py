"""The command `tap-cometly`, also as `python -m tap_cometly`."""

from __future__ import annotations

import signal
import typing as t

from tap_cometly.runtime.memory import collect_rarely

if t.TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tap.

    Args:
        arguments: Of the command line; by default those of this process.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # It would end in a traceback before the tap listens, and after.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    collect_rarely()
    from tap_cometly.tap import TapCometly  # noqa: PLC0415, after that: to import is to allocate

    TapCometly.cli(arguments)


if __name__ == "__main__":
    main()
