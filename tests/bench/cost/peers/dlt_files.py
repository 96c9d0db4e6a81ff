# mypy: ignore-errors
# Its imports are in an environment of their own.
"""An export file through a dlt pipeline to files of JSON lines: `python dlt_files.py FILE`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.destinations import filesystem as files
from dlt.sources.filesystem import filesystem, read_jsonl

path = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "contacts",
        pipelines_dir=f"{folder}/pipelines",
        destination=files(bucket_url=f"{folder}/out"),
        dataset_name="bench",
    )
    source = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name) | read_jsonl()
    pipeline.run(source.with_name("contacts"), loader_file_format="jsonl")
