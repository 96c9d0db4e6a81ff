# mypy: ignore-errors
# Its imports are in an environment of their own.
"""The contacts as dlt reads them, written nowhere: `python dlt_read.py FILE` or `... URL`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlt.sources.filesystem import filesystem, read_jsonl
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

if TYPE_CHECKING:
    from collections.abc import Iterable


def read(where: str) -> Iterable[Any]:
    if where.startswith("http"):
        paginator = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
        client = RESTClient(base_url=where, paginator=paginator, data_selector="data")
        return client.paginate("/contacts", params={"per_page": 5000})
    path = Path(where)
    return filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name) | read_jsonl()


for _ in read(sys.argv[1]):
    pass
