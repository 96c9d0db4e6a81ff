"""A bucket on this machine: moto plays S3."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "us-east-1"
CREDENTIALS = {
    "aws_access_key_id": "canary_id",
    "aws_secret_access_key": "canary_secret",
    "aws_session_token": "canary_token",
}


@dataclass(frozen=True)
class FakeS3:
    """One bucket."""

    url: str
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        """What lets a program find it, and in."""
        known = {"AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION}
        return known | {name.upper(): value for name, value in CREDENTIALS.items()}

    @property
    def secrets(self) -> list[str]:
        return list(CREDENTIALS.values())

    def read(self, url: str) -> bytes:
        """A file by its s3:// URL."""
        key = url.removeprefix(f"s3://{self.bucket}/")
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def urls(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [f"s3://{self.bucket}/{item['Key']}" for item in found]

    @property
    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.url, region_name=REGION, **CREDENTIALS)


@contextmanager
def fake_s3(bucket: str) -> Iterator[FakeS3]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        started = FakeS3(f"http://{host}:{port}", bucket)
        started.client.create_bucket(Bucket=bucket)
        yield started
    finally:
        server.stop()
