"""What a probe shows is summed up."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tap_cometly.extract.density import Probe
from tap_cometly.timeranges import Window

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)
WINDOW = Window(START, START + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("ids", "groups"),
    [
        ([], []),
        ([7, 9, 8, 5], [(5, 9, 4)]),
        ([*range(1, 21), 90, 60], [(1, 20, 20), (60, 90, 2)]),  # an import
        ([1, 2, 3, 900], [(1, 3, 3), (900, 900, 1)]),
        ([1, 300, 900, 902], [(1, 300, 2), (900, 902, 2)]),
        ([1, 300, 500, 902], [(1, 902, 4)]),  # too few to tell
    ],
)
def test_a_page_is_summed_up_by_its_groups_of_ids(
    ids: list[int], groups: list[tuple[int, int, int]]
) -> None:
    probe = Probe.of(WINDOW, ids, more=True)

    assert [(each.lowest, each.highest, each.contacts) for each in probe.groups] == groups
