"""Pagination: a window of the list, read page by page along its cursor."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace
from datetime import timedelta
from functools import partial

from tap_cometly.exceptions import (
    AccessError,
    ApiError,
    RecordError,
    RejectedError,
    TooLongError,
    TooSlowError,
    UnreachableError,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_cometly.client.client import CometlyClient
    from tap_cometly.contacts.decoder import ContactDecoder, Page
    from tap_cometly.contacts.schema import Contact, OptionalColumns
    from tap_cometly.timeranges import WallRange, Window

logger = logging.getLogger(__name__)

SURELY_SERVED = 86_400  # seconds; a window that no list refuses for its length
_EMPTY_PAGES = 100  # in a row, each with a cursor: nothing is going to come


def newest_day(window: Window) -> Window:
    """Return the last day of a window, which no list refuses for its length."""
    day = timedelta(seconds=SURELY_SERVED)
    return replace(window, start=max(window.start, window.end - day))


class ServedLength:
    """How long a window the list serves, as a run learns it: some lists refuse long ones.

    Attributes:
        refused: The shortest window that was refused for its length; None when none was.
    """

    def __init__(self) -> None:
        self.refused: Window | None = None

    def note_refused(self, window: Window) -> None:
        """Note that the list does not serve so long a window."""
        if self.refused is None or window.seconds < self.refused.seconds:
            self.refused = window

    def forget_refused(self) -> None:
        """Forget which windows were refused: it was not for their length."""
        self.refused = None

    def cut(self, window: Window, *, newest: bool = False) -> Window:
        """Return the beginning of a window, or its newest part, as long as is worth asking for."""
        if self.refused is None or window.seconds < self.refused.seconds:
            return window
        longest = timedelta(seconds=self.refused.seconds // 2)
        if newest:
            return replace(window, start=window.end - longest)
        return replace(window, end=window.start + longest)


class ContactList:
    """The list of contacts, one page at a time.

    Args:
        client: Asks the API.
        decoder: Makes contacts of the answers.
        options: The `include_*` parameters.
        length: What is known of how long a window it serves, shared by all that ask it.
    """

    def __init__(
        self,
        client: CometlyClient,
        decoder: ContactDecoder,
        options: Mapping[str, int],
        length: ServedLength,
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._options = options
        self.length = length

    def page(
        self,
        window: Window | WallRange,
        *,
        per_page: int,
        cursor: str | None = None,
        optional: bool = False,
    ) -> Page:
        """Ask for one page, newest id first.

        Args:
            window: What to ask for.
            per_page: 1 to 5000 contacts.
            cursor: Where the page begins; None for the first.
            optional: Whether it is a request that the run can go on without.

        Raises:
            TapError: The page cannot be had, or does not hold contacts.
        """
        query: dict[str, int | str] = {"per_page": per_page, **self._options}
        if cursor is not None:
            query["cursor"] = cursor
        return self._client.list_contacts(window, self._decoder.page, query, optional=optional)

    def first_page(self, window: Window, *, per_page: int, optional: bool = False) -> Page:
        """Ask for the first page of a window that may be too long.

        Args:
            window: What to ask for.
            per_page: 1 to 5000 contacts.
            optional: Whether it is a request that the run can go on without.

        Raises:
            TooLongError: The list serves shorter windows only.
            TapError: The page cannot be had, or does not hold contacts.
        """
        try:
            return self.page(window, per_page=per_page, optional=optional)
        except RejectedError as error:
            if window.seconds <= SURELY_SERVED:
                raise
            reason = error.what
        except TooSlowError as error:
            if self.length.refused is None:  # it may be slow whatever it is asked for
                self.page(newest_day(window), per_page=1, optional=optional)
            reason = error.what
        self.length.note_refused(window)
        raise TooLongError(reason)

    def try_page(
        self, window: Window | WallRange, *, per_page: int, wait_for_limit: bool = False
    ) -> Page | None:
        """Ask for one page that the run can go on without.

        Args:
            window: What to ask for.
            per_page: 1 to 5000 contacts.
            wait_for_limit: Whether a 429 is worth the wait for another try.

        Returns:
            The page; None when the list refuses to answer, or does not answer soon.

        Raises:
            AccessError: The key may not do this.
            UnreachableError: Nothing has answered since the run began.
        """
        page = _page_or_none(partial(self.page, window, per_page=per_page, optional=True))
        if page is None and wait_for_limit and self._client.limiters["list"].delay() > 0:
            self._client.allow_optional_requests()
            return self.try_page(window, per_page=per_page)
        return page

    def newest(self, window: Window, *, per_page: int) -> Page | None:
        """Ask for the newest contacts of a window, which the run can go on without.

        Where the list refuses so long a window, it is asked for the newest part.

        Returns:
            The page, with a cursor where the window may hold more; None when there is no answer.

        Raises:
            AccessError: The key may not do this.
            UnreachableError: Nothing has answered since the run began.
        """
        while True:
            part = self.length.cut(window, newest=True)
            try:
                page = _page_or_none(
                    partial(self.first_page, part, per_page=per_page, optional=True)
                )
            except TooLongError:
                continue
            if page is None or part == window:
                return page
            return page._replace(next_cursor=page.next_cursor or "older")


def _page_or_none(ask: Callable[[], Page]) -> Page | None:
    """Ask for a page; None when the list refuses to answer, or does not answer soon."""
    try:
        return ask()
    except (AccessError, UnreachableError):
        raise
    except (ApiError, RecordError) as error:
        logger.debug("The list does not answer: %s", error.what)
        return None


class CursorPaginator:
    """Reads windows page by page.

    Args:
        contacts: The list, asked for all columns that the settings ask for.
        columns: Sees to it that the list delivers them.
        page_size: Contacts asked for in one page.
        inspect: Called with the contacts of each page and what was asked for.
    """

    def __init__(
        self,
        contacts: ContactList,
        columns: OptionalColumns,
        *,
        page_size: int,
        inspect: Callable[[Sequence[Contact], Window], None],
    ) -> None:
        self._list = contacts
        self._columns = columns
        self._page_size = page_size
        self._inspect = inspect

    def first_page(
        self, window: Window, *, at_most: int | None = None, optional: bool = False
    ) -> Page:
        """Read the first page of a window: all of it, when no cursor follows.

        Args:
            window: What to read.
            at_most: How many contacts will do.
            optional: Whether it is a request that the run can go on without.

        Raises:
            TooLongError: The list serves shorter windows only.
            TapError: It cannot be read.
        """
        per_page = min(self._page_size, at_most or self._page_size)
        return self._list.first_page(window, per_page=per_page, optional=optional)

    def read(self, window: Window, first: Page | None = None) -> Iterator[list[Contact]]:
        """Read a window's contacts, page by page; see `pages`."""
        return (page.contacts for page in self.pages(window, first))

    def pages(
        self, window: Window, first: Page | None = None, *, optional: bool = False
    ) -> Iterator[Page]:
        """Read a window, in parts where the list refuses its length.

        Args:
            window: What to read.
            first: Its first page, when that has already been read.
            optional: Whether the run can go on without the pages behind the first.

        Yields:
            Its pages; after the API refuses a cursor, once, all of them again.

        Raises:
            TapError: The window cannot be read to its end.
        """
        start = window.start
        while start < window.end:
            part = replace(window, start=start)
            if first is None:
                part = self._list.length.cut(part)
            try:
                page = first or self.first_page(part)
            except TooLongError as refusal:
                logger.info("Asking for less than %s at once: %s", part, refusal)
                continue
            try:
                yield from self._follow(part, page, optional=optional)
            except RejectedError:
                logger.warning("The cursor was refused; reading %s from its start again", part)
                page = self._list.page(part, per_page=self._page_size)
                yield from self._follow(part, page, optional=optional)
            start, first = part.end, None

    def _follow(self, window: Window, page: Page, *, optional: bool) -> Iterator[Page]:
        """Go from page to page until one has no cursor."""
        seen: set[str] = set()
        empty = 0
        while True:
            self._inspect(page.contacts, window)
            self._columns.fill(page.contacts)
            yield page
            empty = 0 if page.contacts else empty + 1
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen or empty > _EMPTY_PAGES:
                msg = "The list of contacts does not move on: its cursor comes again and again"
                raise ApiError(msg, "Run again; if it stays, ask Cometly's support.")
            seen.add(cursor)
            page = self._list.page(
                window, per_page=self._page_size, cursor=cursor, optional=optional
            )
