"""The tap has not become slower beside what runs on the same machine at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.cost.ratios import WORSE, baseline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="needs the machine for itself")
def test_no_ratio_is_a_third_worse_than_the_baseline(tmp_path: Path) -> None:
    # given
    allowed = {name: ratio * WORSE for name, ratio in baseline().items()}
    # when: a process of their own, for they tune it and take its standard output
    command = [sys.executable, "-m", "tests.bench.cost.ratios", f"--cache={tmp_path}"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603, our own module
    # then
    assert {name: ratio for name, ratio in found.items() if ratio > allowed[name]} == {}
