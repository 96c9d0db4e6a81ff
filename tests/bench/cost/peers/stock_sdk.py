"""A tap of the Meltano SDK as its template makes it: `Stream` for files, `RESTStream` for pages.

`python stock_sdk.py --config FILE`, a configuration with `path` of an export file, or `api_url`.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import JSONPathPaginator
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("email", th.StringType),
    th.Property("name", th.StringType),
    th.Property("phone", th.StringType),
    th.Property("location", th.StringType),
    th.Property("created_at", th.DateTimeType),
    th.Property("comet_tokens", th.ArrayType(th.StringType)),
).to_dict()


class FileStream(Stream):
    name = "contacts"
    primary_keys = ("id",)
    schema = SCHEMA

    @override
    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        with gzip.open(self.config["path"]) as lines:
            for line in lines:
                yield json.loads(line)


class PagesStream(RESTStream[str]):
    name = "contacts"
    path = "/contacts"
    primary_keys = ("id",)
    schema = SCHEMA
    records_jsonpath = "$.data[*]"

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @override
    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.next_cursor")

    @override
    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        params: dict[str, Any] = {"per_page": 5000}
        return {**params, "cursor": next_page_token} if next_page_token else params


class StockTap(Tap):
    name = "tap-stock"
    config_jsonschema = th.PropertiesList(
        th.Property("path", th.StringType),
        th.Property("api_url", th.StringType),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        kind = PagesStream if "api_url" in self.config else FileStream
        return [kind(self)]


if __name__ == "__main__":
    StockTap.cli()
