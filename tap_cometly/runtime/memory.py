"""How the process keeps its memory in order, at the least cost."""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # source: mallopt(3)
_LARGE = 2**18  # bytes: most pages, hardly anything else
_CONTAINERS = 10_000  # new ones; Python's own default is 700


def collect_rarely() -> None:
    """Let Python look for cycles of garbage less often: there are hardly any.

    Measured: a twentieth of the time that the tap takes to start, and some hundredths of an export.
    """
    gc.set_threshold(_CONTAINERS)


def give_back_memory() -> None:
    """Have memory given back that is no longer used, where the C library can be told so.

    glibc gives each thread an arena of its own and keeps what it once held: measured, a tenth of
    the process, and more the more threads have been. One is enough, for here they hardly ever
    allocate at once. And it learns to keep what large pages took, between which little things
    settle: measured, a fiftieth of the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
