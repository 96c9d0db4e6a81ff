"""The tap has not become slower beside what runs on the same machine at the same time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.bench.cost.ratios import WORSE, baseline, measured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="needs the machine for itself")
def test_no_ratio_is_a_third_worse_than_the_baseline(tmp_path: Path) -> None:
    # given
    allowed = {name: ratio * WORSE for name, ratio in baseline().items()}
    # when
    found = measured(tmp_path, enough=allowed)
    # then
    assert {name: ratio for name, ratio in found.items() if ratio > allowed[name]} == {}
