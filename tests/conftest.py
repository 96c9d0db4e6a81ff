"""Fixtures for all tests, and which process runs what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

from tests.sandbox.fixture import sandbox
from tests.support.fixtures import postgres

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

__all__ = ["postgres", "sandbox"]

# Shared machines are slow at times: that says nothing about what is tested. The same examples in
# each run, so that a change is not refused for what was there before; `explore` looks for new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same")


class OneProject(LoadScopeScheduling):
    """Any process runs any test, but one of them runs all that need Meltano or PostgreSQL, first.

    So neither is installed or started twice, and the longest part does not begin last.
    """

    FILES = frozenset({"test_postgres.py", "test_postgres_support.py", "test_recipes.py"})

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).name
        return "one project" if file in self.FILES else nodeid


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, for tests often wait for programs and clocks."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneProject:
    return OneProject(config, log)
