"""Laravel's cursor: base64 of JSON, opaque to clients."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass


@dataclass(frozen=True)
class Cursor:
    """Where a page begins."""

    id: int
    forward: bool = True

    def encode(self) -> str:
        text = json.dumps({"id": self.id, "_pointsToNextItems": self.forward})
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor | None:
        """None for what is no cursor: Laravel then serves the first page."""
        try:
            parts = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(int(parts["id"]), bool(parts["_pointsToNextItems"]))
        except (ValueError, KeyError, TypeError):
            return None
