"""Fixtures for all tests."""

from __future__ import annotations

from tests.sandbox.fixture import sandbox

__all__ = ["sandbox"]
