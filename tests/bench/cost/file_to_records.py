"""Reads an export file and writes RECORD lines, with the tap's own code and all its checks.

`python -m tests.bench.cost.file_to_records FILE`: what a sync does between a verified file and
standard output. Neither HTTP nor the check of the file's gzip frame is part of it.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import OptionalColumns, fields_asked
from tap_cometly.exports.completeness import FileTally
from tap_cometly.exports.ndjson import blocks
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.messages.encoder import BlockEncoder
from tap_cometly.messages.writer import RecordWriter, StdoutWriter
from tap_cometly.runtime.signals import StopSignal
from tap_cometly.timeranges import Window
from tests.bench.cost.data import START


def convert(path: Path) -> None:
    """Read a file, and write its records to standard output."""
    fields = fields_asked(["include_comet_tokens"])
    window = Window(START, START + timedelta(days=3_650))
    nobody = cast("Any", None)  # the list is not asked: each contact lies in the window
    timezone_check = TimezoneCheck(nobody, ZoneInfo("UTC"), nobody)
    columns = OptionalColumns(fields, "The export")
    writer = RecordWriter(BlockEncoder("contacts", None), StdoutWriter(StopSignal()))
    tally = FileTally(window)
    with path.open("rb") as file:
        for contacts in blocks(file, ContactDecoder(fields, RepairLog())):
            tally.add(contacts)
            timezone_check.inspect(contacts, window)
            columns.fill(contacts)
            writer.write(contacts)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
