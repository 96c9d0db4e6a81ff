from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from click.testing import CliRunner

from tap_cometly.tap import TapCometly
from tests.snapshots import CATALOGS, FOLDER

for name, options in CATALOGS.items():
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.json")
        config.write_bytes(msgspec.json.encode(dict.fromkeys(options, True)))
        printed = CliRunner().invoke(TapCometly.cli, ["--discover", "--config", str(config)])
    (FOLDER / f"{name}.json").write_text(printed.stdout, "utf-8")
