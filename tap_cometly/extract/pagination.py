"""A window through the cursor."""

from __future__ import annotations

import typing as t
from itertools import chain

from tap_cometly.exceptions import ApiError, RejectedError
from tap_cometly.timeranges import wall_range

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_cometly.client.client import CometlyClient
    from tap_cometly.contacts.glimpse import Dated
    from tap_cometly.contacts.page import Page, PageReader
    from tap_cometly.contacts.schema import Contact, OptionalColumns
    from tap_cometly.timeranges import WallRange, Window

_T = t.TypeVar("_T")

LARGEST_PAGE = 5000  # contacts; source: Cometly's API documentation, v1
SURELY_SERVED = 31 * 86_400  # seconds; a range that no list refuses for its length
_EMPTY_PAGES = 100  # in a row, each with a cursor: nothing is going to come


class Listing:
    """The list of contacts, a page at a time."""

    def __init__(
        self, client: CometlyClient, reader: PageReader, *, options: Mapping[str, int]
    ) -> None:
        """Prepare to ask for pages with these `include_*` parameters."""
        self._client = client
        self._reader = reader
        self._options = options

    def ask(self, wall: WallRange, *, per_page: int, cursor: str | None = None) -> Page:
        """Ask for one page.

        Raises:
            TapError: It cannot be had, or does not hold contacts.
        """
        return self.glance(wall, lambda page: page, per_page=per_page, cursor=cursor)

    def glance(
        self,
        wall: WallRange,
        keep: Callable[[Page], _T],
        *,
        per_page: int,
        cursor: str | None = None,
        slot_taken: bool = False,
    ) -> _T:
        """Ask for one page; of several at once, each is let go before the next is unzipped.

        Args:
            wall: The range of creation times.
            keep: Makes of the page what is wanted of it.
            per_page: 1 to 5000.
            cursor: Where the page begins; None for the first.
            slot_taken: Whether the caller has taken the budget's slot for it.

        Returns:
            What was wanted.

        Raises:
            TapError: It cannot be had, or does not hold contacts.
        """
        return self._client.list_contacts(
            wall,
            lambda body: keep(self._reader.read(body)),
            per_page=per_page,
            cursor=cursor,
            options=self._options,
            slot_taken=slot_taken,
        )


class CursorPaginator:
    """Reads windows page by page."""

    def __init__(
        self,
        listing: Listing,
        columns: OptionalColumns,
        *,
        zone: ZoneInfo,
        page_size: int,
        inspect: Callable[[Sequence[Dated], WallRange], None],
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            listing: Where pages come from.
            columns: Sees to it that the list delivers what was asked for.
            zone: The Space's zone.
            page_size: Contacts asked for in one page.
            inspect: Raises when contacts lie outside the range that was asked for.
            logger: Where oddities are told.
        """
        self._listing = listing
        self._columns = columns
        self._zone = zone
        self._page_size = page_size
        self._inspect = inspect
        self._logger = logger

    def first(self, window: Window, *, at_most: int | None = None) -> Page:
        """Read the first page of a window: all of it, when no cursor follows.

        Raises:
            TapError: It cannot be read, or holds what was not asked for.
        """
        per_page = min(self._page_size, at_most or self._page_size)
        page = self._listing.ask(self._wall(window), per_page=per_page)
        self.inspect(window, page.glimpses)
        return page

    def glance(self, window: Window, keep: Callable[[Page], _T]) -> _T:
        """Keep something of a window's first page, whose contacts are still to be inspected.

        Raises:
            TapError: It cannot be read.
        """
        return self._listing.glance(self._wall(window), keep, per_page=self._page_size)

    def inspect(self, window: Window, contacts: Sequence[Dated]) -> None:
        """Compare contacts with the window that was asked for.

        Raises:
            ZoneError: One lies outside.
        """
        self._inspect(contacts, self._wall(window))

    def read(self, window: Window, first: Page | None = None) -> Iterator[list[Contact]]:
        """Read a window.

        Args:
            window: What to read.
            first: Its first page, when that has already been read.

        Yields:
            The contacts, in blocks. After the API refuses a cursor, once, all of them again.

        Raises:
            TapError: The window cannot be read to its end.
        """
        try:
            yield from self._follow(window, first)
        except RejectedError:
            self._logger.warning("The cursor was refused; reading the window from its start again")
            yield from self._follow(window)

    def _follow(self, window: Window, page: Page | None = None) -> Iterator[list[Contact]]:
        wall = self._wall(window)
        cursor = None
        seen: set[str] = set()
        empty = 0
        while True:
            page = page or self._listing.ask(wall, per_page=self._page_size, cursor=cursor)
            empty += 1
            for contacts in self._blocks(page):
                empty = 0 if contacts else empty
                self._inspect(contacts, wall)
                yield self._columns.fill(contacts)
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen or empty > _EMPTY_PAGES:
                msg = "The list of contacts goes in circles: its cursor does not move on"
                raise ApiError(msg, "Run again; if it stays, ask Cometly's support.")
            seen.add(cursor)
            page = None

    def _blocks(self, page: Page) -> Iterator[list[Contact]]:
        """Give a page's contacts; all at once while it is open whether columns are delivered."""
        blocks = page.blocks()
        return iter([[*chain(*blocks)]]) if self._columns.undecided else blocks

    def _wall(self, window: Window) -> WallRange:
        return wall_range(window.start, window.end, self._zone)
