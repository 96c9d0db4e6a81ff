"""The catalogs that `--discover` prints, kept so that a change of them is seen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from click.testing import CliRunner

from tap_cometly.contacts.schema import OPTIONS
from tap_cometly.tap import TapCometly

CATALOGS = {"catalog": (), "catalog_all_columns": OPTIONS}
"""The settings `include_*` that are true, by the name of the catalog."""


def path_of(name: str) -> Path:
    """Where a catalog is kept."""
    return Path(__file__).with_name(f"{name}.json")


def printed(name: str) -> str:
    """What `tap-cometly --discover` prints with the settings of a catalog."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(dict.fromkeys(CATALOGS[name], True), config)
        config.flush()
        command = ["--discover", "--config", config.name]
        return CliRunner().invoke(TapCometly.cli, command).stdout
