"""The catalog that was passed in: what it may say, and what it may leave out."""

from __future__ import annotations

import json
import logging
import typing as t

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Catalog, Metadata

from tap_cometly.contacts.schema import FIELDS, KEY, REPLICATION_KEY
from tap_cometly.exceptions import CatalogError

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.singerlib import CatalogEntry

logger = logging.getLogger(__name__)

_ADVICE = "Pass what `tap-cometly --discover` prints."


def read_catalog(text: str) -> dict[str, t.Any]:
    """Read a catalog file.

    Args:
        text: Its content.

    Raises:
        CatalogError: It is not a Singer catalog.
    """
    try:
        catalog: dict[str, t.Any] = json.loads(text)
        Catalog.from_dict({"streams": catalog["streams"]})
    except Exception:  # noqa: BLE001, whatever the SDK makes of what is not a catalog
        msg = "The catalog file holds no Singer catalog"
        raise CatalogError(msg, _ADVICE) from None
    return catalog


def complete(entry: CatalogEntry | None, asked: Collection[str]) -> None:
    """Make a catalog's entry one that the stream can follow.

    Key and replication key are delivered whatever it selects, and columns that no record has are
    left out: a target would overwrite them with null.

    Args:
        entry: Of the stream `contacts`, as the user passed it in; it is changed. None when the
            catalog has none.
        asked: The columns that the settings ask for.

    Raises:
        CatalogError: There is none, it asks for what contacts do not have, or it leaves open
            whether the stream is selected.
    """
    if entry is None:
        msg = "The catalog has no stream 'contacts'"
        raise CatalogError(msg, f"Correct it. {_ADVICE}")
    _check_types(entry)
    _complete_keys(entry)
    _check_selection(entry)
    _fit_columns(entry, asked)


def _check_types(entry: CatalogEntry) -> None:
    """Check what the SDK reads without checking: the name, and the types of both keys."""
    columns = entry.schema.properties or {}
    types = [columns[name].type if name in columns else None for name in (KEY, REPLICATION_KEY)]
    lists = [[kind] if isinstance(kind, str) else kind for kind in types]
    is_named = entry.stream in (None, entry.tap_stream_id)  # a set takes no list
    if not is_named or not all(
        isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds)
        for kinds in lists
    ):
        msg = "The catalog's stream `contacts` has another name, or keys of no type"
        raise CatalogError(msg, _ADVICE)


def _complete_keys(entry: CatalogEntry) -> None:
    root = entry.metadata.root
    keys = entry.key_properties or root.table_key_properties or [KEY]
    replication_key = entry.replication_key or root.replication_key or REPLICATION_KEY
    for what, asked, only in (
        ("key", keys, [KEY]),
        ("replication key", replication_key, REPLICATION_KEY),
    ):
        if asked != only:
            msg = f"The catalog asks for the {what} {asked}, which contacts do not have"
            raise CatalogError(msg, f"Its only {what} is {only}; correct or leave out the catalog.")
    entry.key_properties = [KEY]
    entry.replication_key = REPLICATION_KEY
    method = entry.replication_method or root.forced_replication_method
    if method not in (None, "INCREMENTAL", REPLICATION_FULL_TABLE):
        msg = f"The catalog asks for the replication method {method}"
        raise CatalogError(msg, "Set it to INCREMENTAL or FULL_TABLE.")
    for name in (KEY, REPLICATION_KEY):
        entry.metadata["properties", name].inclusion = Metadata.InclusionType.AUTOMATIC


def _check_selection(entry: CatalogEntry) -> None:
    """Distinguish a stream that is deselected on purpose from one that is so by mistake.

    In the old style `selected` is not metadata, so the SDK does not see it.
    """
    if entry.metadata.resolve_selection()[()]:
        return
    if entry.metadata.root.selected is None:
        msg = "The catalog does not say in its metadata that the stream 'contacts' is selected, "
        msg += "so nothing would be read"
        add = '{"breadcrumb": [], "metadata": {"selected": true}}'
        raise CatalogError(msg, f"Add {add} to the stream's `metadata`, or false if it is meant.")
    logger.warning("The catalog deselects the stream 'contacts': nothing is read")


def _fit_columns(entry: CatalogEntry, asked: Collection[str]) -> None:
    """Warn where a catalog, perhaps an old one, has other columns than the settings ask for."""
    columns = entry.schema.properties or {}
    options = {field.name: field.option for field in FIELDS if field.option}
    missing = {options[name] for name in asked if name in options} - {*map(options.get, columns)}
    for option in sorted(filter(None, missing)):
        logger.warning(
            "`%s` is on, but the catalog lacks its columns: they are left out. With Meltano, "
            "--refresh-catalog makes the catalog anew",
            option,
        )
    if unasked := columns.keys() - asked:
        logger.warning(
            "The catalog has columns that no setting asks for: %s. They are left out",
            ", ".join(sorted(unasked)),
        )
    entry.schema.properties = {name: column for name, column in columns.items() if name in asked}
