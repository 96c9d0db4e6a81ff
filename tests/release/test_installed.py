"""The tests test what they are meant to test."""

from __future__ import annotations

from pathlib import Path

import tap_cometly
from tests.support.installed import package


def test_what_is_tested_is_what_was_installed_here() -> None:
    assert Path(tap_cometly.__file__).parent == package()
