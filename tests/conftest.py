"""Fixtures for all tests."""

from __future__ import annotations

from tests.sandbox.fixture import sandbox
from tests.support.fixtures import postgres

__all__ = ["postgres", "sandbox"]
