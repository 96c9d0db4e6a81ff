"""Presigned URLs: who holds one may fetch one file for a while."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import urlencode


class Grant(NamedTuple):
    """What a signature allows."""

    path: str
    expires: float


class Signatures:
    """Each URL is fresh; the older ones stay good until they expire."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def sign(self, path: str, now: float, lifetime: float) -> str:
        """The path with a signature."""
        signature = secrets.token_hex(32)
        self._grants[signature] = Grant(path, now + lifetime)
        stamp = datetime.fromtimestamp(now, timezone.utc)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"AKIAEXAMPLE/{stamp:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": f"{stamp:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(int(lifetime)),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": signature,
        }
        return f"{path}?{urlencode(query)}"

    def get(self, signature: str, path: str) -> Grant | None:
        grant = self._grants.get(signature)
        return grant if grant and grant.path == path else None

    def issued(self) -> list[str]:
        return list(self._grants)
