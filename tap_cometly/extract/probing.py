"""Counting what is read, and telling the cutter what a first page showed."""

from __future__ import annotations

import typing as t

from tap_cometly.timeranges import Probe, Window

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.contacts.page import Page
    from tap_cometly.contacts.schema import Contact


class Counted:
    """Blocks, and how many contacts were in those already taken."""

    def __init__(self, blocks: Iterator[list[Contact]]) -> None:
        """Start counting."""
        self._blocks = blocks
        self.contacts = 0

    def __iter__(self) -> Iterator[list[Contact]]:
        """Go through the blocks."""
        for block in self._blocks:
            self.contacts += len(block)
            yield block


def probe_of(window: Window, page: Page) -> Probe:
    """Say what a window's first page tells about it."""
    ids = [glimpse.id for glimpse in page.glimpses]
    return Probe.of(window, ids, more=page.next_cursor is not None)
