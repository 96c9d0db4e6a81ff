"""Fixtures for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.sandbox.fixture import sandbox
from tests.support.fixtures import postgres

__all__ = ["postgres", "sandbox"]

# Shared machines are slow at times: that says nothing about what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
