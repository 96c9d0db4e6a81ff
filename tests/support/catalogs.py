"""Catalogs as users make them: what `--discover` prints, with changes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tap_cometly.tap import TapCometly

if TYPE_CHECKING:
    from collections.abc import Collection


def catalog(
    *, method: str | None = None, without: Collection[str] = (), **config: Any
) -> dict[str, Any]:
    """Choose a replication method, and deselect columns.

    Args:
        method: FULL_TABLE or INCREMENTAL.
        without: Columns that are not wanted.
        config: Settings that add columns.
    """
    tap = TapCometly(config=config, validate_config=False)
    made = copy.deepcopy(dict(tap.catalog_dict))
    [stream] = made["streams"]
    if method is not None:
        stream["replication_method"] = method
    for item in stream["metadata"]:
        if item["breadcrumb"] and item["breadcrumb"][-1] in without:
            item["metadata"] = {"inclusion": "available", "selected": False}
    return made
