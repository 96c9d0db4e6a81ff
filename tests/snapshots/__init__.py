"""The catalogs that `--discover` prints; `python -m tests.snapshots` writes them anew."""

from __future__ import annotations

from pathlib import Path

from tap_cometly.contacts.schema import OPTIONS

FOLDER = Path(__file__).parent
CATALOGS = {"catalog": (), "catalog_all_columns": OPTIONS}
"""The settings `include_*` that are true, by the name of the catalog."""
