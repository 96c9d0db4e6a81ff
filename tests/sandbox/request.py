"""What was asked and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Request:
    """One call. `status` is None while it is being answered, and for ever after a hang-up."""

    at: float
    """Seconds of the monotonic clock at its arrival."""
    endpoint: str
    """"list", "create", "poll", "file", or "other" for a path that does not exist."""
    method: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    """Names in lower case."""
    status: int | None = None
    rows: int = 0
    """Contacts in the answer."""
