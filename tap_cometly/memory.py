"""Memory that threads give back."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # source: mallopt(3)


def share_one_arena() -> None:
    """Let all threads allocate from one place, where the C library can be told so.

    glibc gives each of them a place of its own and keeps what it once held: measured, a tenth of
    the process, and more the more threads have been. Here they hardly ever allocate at once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
