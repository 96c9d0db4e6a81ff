"""Reads an export file and writes RECORD lines, with the tap's own code and all its checks.

`python -m tests.bench.cost.file_to_records FILE`: what a sync does between a verified file and
standard output. No HTTP, no second look at the file's frame; the other bench has those.
"""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path

from tap_cometly.columns import Columns
from tap_cometly.decoding import ContactDecoder
from tap_cometly.lanes import BlockLane
from tap_cometly.mending import Findings
from tap_cometly.ndjson import blocks
from tap_cometly.record import fields_asked
from tap_cometly.space_time import UTC, wall_range
from tap_cometly.stopping import StopSignal
from tap_cometly.writer import LineWriter, RecordWriter
from tap_cometly.zone_check import ZoneCheck
from tests.bench.cost.data import START

_LOGGER = logging.getLogger(__name__)


def main() -> None:
    fields = fields_asked(["include_comet_tokens"])
    wall = wall_range(START, START + timedelta(days=3_650), UTC)
    zone_check = ZoneCheck(None, None, _LOGGER)  # type: ignore[arg-type]  # it asks nobody
    columns = Columns(fields, "The export")
    writer = RecordWriter(BlockLane("contacts", None), LineWriter(StopSignal()))
    with Path(sys.argv[1]).open("rb") as file:
        for contacts in blocks(file, ContactDecoder(fields, Findings(_LOGGER))):
            zone_check.inspect(contacts, wall)
            writer.write(columns.fill(contacts))


if __name__ == "__main__":
    main()
