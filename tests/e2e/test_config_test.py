"""`meltano config test`, which runs a sync up to its first contact and tells of nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import END, QUICK, START, read_from
from tests.support.meltano import MeltanoError

if TYPE_CHECKING:
    from tests.sandbox.fixture import StartSandbox
    from tests.support.meltano import MeltanoProject

pytestmark = pytest.mark.slow

TEST = "meltano config test tap-cometly"


def test_a_space_that_takes_exports_is_valid_after_one_page(
    sandbox: StartSandbox, meltano: MeltanoProject
) -> None:
    cometly = sandbox(replace(QUICK, job_seconds=600.0, list_emails=True))
    cometly.space.fill(12_000, START, END)

    told = meltano.script(TEST, settings=read_from(cometly))

    assert "Plugin configuration is valid" in told
    assert not [call for call in cometly.requests if call.endpoint == "poll"]


def test_a_space_without_contacts_is_told_as_that(
    sandbox: StartSandbox, meltano: MeltanoProject
) -> None:
    cometly = sandbox(replace(QUICK))

    with pytest.raises(MeltanoError) as failed:
        meltano.script(TEST, settings=read_from(cometly))

    assert "no contact to write" in str(failed.value)
    assert "meltano select" not in str(failed.value)
