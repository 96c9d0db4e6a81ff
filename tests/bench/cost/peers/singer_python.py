# mypy: ignore-errors
# Its imports are in an environment of their own.
"""An export file to RECORD lines with singer-python: `python singer_python.py FILE`."""

from __future__ import annotations

import gzip
import json
import sys

import singer

with gzip.open(sys.argv[1]) as lines:
    for line in lines:
        singer.write_record("contacts", json.loads(line), time_extracted=singer.utils.now())
