"""The command `tap-cometly`, also as `python -m tap_cometly`; it tunes the process before it runs.

A program that imports the tap as a library is not tuned.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # source: mallopt(3)
_LARGE = 2**18  # bytes: most pages, hardly anything else
_CONTAINERS = 10_000  # new ones; Python's own default is 700


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tap.

    Args:
        arguments: Of the command line; by default those of this process.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python's own handler ends in a traceback wherever the tap does not handle signals.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    collect_rarely()
    give_back_memory()
    from tap_cometly.tap import TapCometly  # noqa: PLC0415, after that: to import is to allocate

    TapCometly.cli(arguments)


def collect_rarely() -> None:
    """Let Python look for cycles of garbage less often: there are hardly any.

    Measured: a twentieth of the time that the tap takes to start, and some hundredths of an export.
    """
    gc.set_threshold(_CONTAINERS)


def give_back_memory() -> None:
    """Have glibc give back memory that is no longer used; other C libraries have no such settings.

    glibc gives each thread an arena of its own and keeps what an arena once held: measured, a tenth
    of the process's memory, and more with each further thread. One arena is enough, for the tap's
    threads hardly ever allocate at once. glibc also learns to keep the memory of large pages, which
    small objects then break up: measured, a fiftieth of the process's memory.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


if __name__ == "__main__":
    main()
