"""What a catalog may choose, and what contacts cannot do without."""

from __future__ import annotations

import typing as t

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Metadata

from tap_cometly.errors import CatalogError
from tap_cometly.record import KEY, REPLICATION_KEY

if t.TYPE_CHECKING:
    from singer_sdk.singerlib import CatalogEntry


def complete(entry: CatalogEntry) -> None:
    """Put back what a catalog may leave out but the stream cannot do without.

    Args:
        entry: Of the stream, as the user passed it in; it is changed.

    Raises:
        CatalogError: It asks for what contacts do not have.
    """
    root = entry.metadata.root
    method = entry.replication_method or root.forced_replication_method
    wanted = (
        ("key", list(entry.key_properties or root.table_key_properties or [KEY]), [KEY]),
        (
            "replication key",
            entry.replication_key or root.replication_key or REPLICATION_KEY,
            REPLICATION_KEY,
        ),
    )
    for what, asked, only in wanted:
        if asked != only:
            msg = f"The catalog asks for the {what} {asked}, which contacts do not have"
            raise CatalogError(msg, f"Its only {what} is {only}; correct or leave out the catalog.")
    entry.key_properties = [KEY]
    entry.replication_key = REPLICATION_KEY
    if method not in {None, "INCREMENTAL", REPLICATION_FULL_TABLE}:
        msg = f"The catalog asks for the replication method {method}"
        raise CatalogError(msg, "Set it to INCREMENTAL or FULL_TABLE.")
    for name in (KEY, REPLICATION_KEY):
        entry.metadata[("properties", name)].inclusion = Metadata.InclusionType.AUTOMATIC
