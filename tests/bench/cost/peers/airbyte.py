# mypy: ignore-errors
# Its imports are in an environment of their own.
"""Pages or an export file with Airbyte's CDK and a declarative source: `python airbyte.py URL`.

A URL that ends in `/contacts` is paged through; any other is one file of gzipped JSON lines.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)

TEXT = {"type": ["string", "null"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        **dict.fromkeys(("email", "name", "phone", "location"), TEXT),
        "created_at": {"type": ["string", "null"], "format": "date-time"},
        "comet_tokens": {"type": ["array", "null"], "items": {"type": "string"}},
    },
}
CURSOR = {
    "type": "DefaultPaginator",
    "page_token_option": {
        "type": "RequestOption",
        "inject_into": "request_parameter",
        "field_name": "cursor",
    },
    "pagination_strategy": {
        "type": "CursorPagination",
        "cursor_value": "{{ response.get('next_cursor') }}",
        "stop_condition": "{{ not response.get('next_cursor') }}",
    },
}
FILE = {
    "decoder": {"type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}},
    "paginator": {"type": "NoPagination"},
}


def manifest(url: str) -> dict[str, Any]:
    base, _, path = url.rpartition("/")
    paged = path == "contacts"
    retriever = {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": base,
            "path": f"/{path}",
            "http_method": "GET",
            "request_parameters": {"per_page": "5000"} if paged else {},
        },
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"] if paged else []},
        },
        **({"paginator": CURSOR} if paged else FILE),
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "contacts",
        "primary_key": ["id"],
        "retriever": retriever,
        "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["contacts"]},
        "streams": [stream],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
    }


CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "contacts",
                "json_schema": SCHEMA,
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
    ]
}

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "config.json").write_text("{}")
    (folder / "catalog.json").write_text(json.dumps(CATALOG))
    source = ConcurrentDeclarativeSource(
        catalog=ConfiguredAirbyteCatalogSerializer.load(CATALOG),
        config={},
        state=None,
        source_config=manifest(sys.argv[1]),
    )
    files = ("--config", f"{folder}/config.json", "--catalog", f"{folder}/catalog.json")
    launch(source, ["read", *files])
