"""Windows through export jobs: in what order, after how many requests, and when."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tap_cometly.exceptions import AnswerLostError, RejectedError
from tests.support.export_api import AS_USUAL
from tests.support.plant import DAY, FIRST_HALF, SIZE, Plant, days

if TYPE_CHECKING:
    from tap_cometly.client.client import Endpoint

REJECTED = RejectedError("The range is too large", "Ask for less.")
LOST = AnswerLostError("No answer came", "Run again.")


# In order, and several at once.


def test_a_window_is_created_once_and_handed_out_when_its_file_is_here(one: Plant) -> None:
    assert one.read() == {DAY: f"file of {SIZE}"}

    assert [len(one.api.asked(kind)) for kind in ("create", "fetch", "probe")] == [1, 1, 0]
    assert one.api.asked("fetch")[0] == pytest.approx(10.0, abs=1.1)
    assert one.planner.counts == {DAY: SIZE}
    assert one.api.spools[0].file.closed


def test_whatever_finishes_first_the_oldest_window_is_handed_out_first() -> None:
    windows = days(3)
    plant = Plant(*windows)
    plant.api.seconds.update(zip(windows, [1.0, 40.0, 20.0], strict=True))

    assert list(plant.read()) == windows
    assert plant.api.windows("fetch") == [windows[0], windows[2], windows[1]]


def test_no_more_windows_are_in_the_works_than_are_allowed() -> None:
    windows = days(3)
    plant = Plant(*windows, parallel=2)
    job = plant.head()
    plant.turn_until(100.0)
    assert plant.api.windows("create") == windows[:2]
    assert list(plant.planner.cut) == windows[2:]

    plant.works.taken(job, SIZE)
    plant.works.turn(wait=False)

    assert plant.api.windows("create") == windows
    assert not plant.works.done


def test_works_are_done_only_when_the_last_window_has_been_read(one: Plant) -> None:
    assert not one.works.done
    job = one.head()
    assert one.planner.done
    assert not one.works.done

    one.works.taken(job, SIZE)

    assert one.works.done


def test_without_waiting_a_turn_takes_no_time(one: Plant) -> None:
    for _ in range(9):
        one.works.turn(wait=False)

    assert one.clock.monotonic() == 0
    assert one.works.head() is None


def test_it_can_be_told_what_each_export_is_doing_and_what_is_left() -> None:
    windows = days(4)
    plant = Plant(*windows, parallel=2)
    plant.works.turn()
    assert plant.works.doing(7.0) == ["queued 7 s"] * 2
    assert plant.works.left() == 3 * SIZE

    plant.head()

    assert plant.works.doing(plant.clock.monotonic())[0] == "reading"
    assert len(plant.works.doing(plant.clock.monotonic())) == 2


def test_nobody_says_what_is_left_before_it_is_known() -> None:
    assert Plant(DAY, questions=1).works.left() is None


# Limits.


def test_exports_are_created_as_fast_as_the_limit_allows_and_no_faster() -> None:
    plant = Plant(*days(7), parallel=7)
    plant.api.seconds.default_factory = lambda: 200.0

    plant.head()

    created = plant.api.asked("create")
    assert created[:5] == [0.0] * 5
    assert created[5:] == [pytest.approx(60.0, abs=0.1)] * 2
    assert plant.api.limiters["create"].waited == pytest.approx(60.0, abs=0.1)


def test_a_moments_wait_for_the_limit_counts_as_well(one: Plant) -> None:
    one.api.limiters["create"].block(0.5)

    one.read()

    assert one.api.limiters["create"].waited == pytest.approx(0.5, abs=0.05)


def test_halves_that_wait_for_their_turn_do_not_wait_for_the_limit() -> None:
    plant = Plant(DAY, parallel=1)
    plant.api.script("create", REJECTED)
    plant.works.turn()
    plant.works.turn()
    plant.api.limiters["create"].block(60.0)

    plant.head()

    assert plant.api.asked("fetch", FIRST_HALF)
    assert plant.api.limiters["create"].waited == 0


@pytest.mark.parametrize(("limit", "turns_before"), [("create", 0), ("list", 0), ("poll", 2)])
def test_a_limit_is_waited_for_in_one_turn(limit: Endpoint, turns_before: int) -> None:
    plant = Plant(DAY, questions=int(limit == "list"))
    for _ in range(turns_before):
        plant.works.turn()
    plant.api.limiters[limit].block(4.0)
    began = plant.clock.monotonic()

    plant.works.turn()

    assert plant.clock.monotonic() - began == pytest.approx(4.0, abs=0.1)


def test_only_what_waits_for_the_limit_counts_as_waiting_for_it() -> None:
    plant = Plant(*days(5), parallel=5)

    plant.read()

    assert plant.api.limiters["create"].waited == 0


def test_a_pause_before_another_try_is_no_waiting_for_the_limit() -> None:
    plant = Plant(*days(5), parallel=5)
    plant.api.script("create", AS_USUAL, AS_USUAL, AS_USUAL, AS_USUAL, LOST)

    plant.turn_until(5.0)

    assert plant.clock.monotonic() == pytest.approx(5.0, abs=0.1)
    assert plant.api.limiters["create"].waited == 0


def test_many_jobs_that_take_long_are_polled_within_the_limit_and_the_oldest_most_often() -> None:
    windows = days(20)
    plant = Plant(*windows, parallel=20)
    plant.api.seconds.default_factory = lambda: 150.0

    plant.head()

    polls = plant.api.asked("poll")
    assert max(sum(now - 60 < at <= now for at in polls) for now in polls) <= 30
    assert len(plant.api.asked("poll", windows[0])) > 2 * len(plant.api.asked("poll", windows[1]))
    assert plant.api.asked("fetch", windows[0])[0] < 150.0 * 1.07


def test_while_nothing_is_known_of_jobs_half_of_the_polls_are_left_to_the_oldest_one() -> None:
    windows = days(20)
    plant = Plant(*windows, parallel=20)
    plant.api.limiters["create"] = type(plant.api.limiters["create"])(
        20, share=1, clock=plant.clock
    )
    plant.api.seconds.default_factory = lambda: 1e9

    plant.turn_until(50.0)

    others = [at for window in windows[1:] for at in plant.api.asked("poll", window)]
    assert 10 < len(others) <= 15
    oldest = [0.0, *plant.api.asked("poll", windows[0])]
    assert max(later - at for at, later in itertools.pairwise(oldest)) < 4.0


def test_once_one_job_is_done_the_others_are_looked_at_when_they_should_be() -> None:
    windows = days(4)
    plant = Plant(*windows)
    plant.api.seconds.default_factory = lambda: 100.0

    plant.read()

    assert max(plant.api.asked("fetch")) < 115.0
    assert len(plant.api.asked("poll")) < 60


# Probes.


def test_windows_wait_for_the_probes_they_are_cut_by() -> None:
    plant = Plant(DAY, questions=10)

    plant.works.turn()
    assert plant.api.asked("probe") == [0.0] * 10
    assert plant.api.asked("create") == []
    plant.read()

    assert plant.planner.learned == plant.api.windows("probe")
    assert len(plant.planner.learned) == 10
    assert len(plant.api.asked("create")) == 1


def test_windows_are_not_guessed_while_answers_to_probes_are_on_their_way() -> None:
    plant = Plant(*days(2), parallel=1, questions=16)
    plant.runner.keeps_back = True

    plant.turn_until(20.0)
    assert plant.api.asked("create") == []
    plant.runner.keeps_back = False
    plant.works.turn()
    plant.works.turn()

    assert len(plant.planner.learned) == 15
    assert plant.api.asked("create") == [plant.clock.monotonic()]


def test_probes_are_sent_as_fast_as_the_limit_allows_and_no_faster() -> None:
    plant = Plant(DAY, questions=20)
    plant.api.limiters["create"].block(90.0)

    plant.read()

    probed = plant.api.asked("probe")
    assert probed[:15] == [0.0] * 15
    assert probed[15:] == [pytest.approx(60.0, abs=0.1)] * 5


def test_requests_of_the_list_that_others_need_are_left_to_them() -> None:
    plant = Plant(*days(9), questions=20, reserved=5)

    plant.turn_until(30.0)

    assert len(plant.api.asked("probe")) == 10


def test_others_are_never_left_all_requests_of_the_list() -> None:
    plant = Plant(DAY, questions=20, reserved=50)

    plant.turn_until(10.0)

    assert len(plant.api.asked("probe")) == 1
    assert plant.api.asked("create") == [pytest.approx(0.0, abs=0.1)]


def test_a_probe_that_other_clients_leave_no_room_for_is_sent_later() -> None:
    plant = Plant(DAY, questions=4)
    plant.api.limiters["list"].try_acquire()
    plant.api.limiters["list"].answered({"X-RateLimit-Remaining": "2"})
    plant.api.limiters["create"].block(90.0)

    plant.works.turn()
    assert len(plant.api.asked("probe")) == 2
    plant.read()

    assert len(plant.api.asked("probe")) == 4
    assert len(set(plant.api.windows("probe"))) == 4


@pytest.mark.parametrize("seconds", [5.1, 60.0])
def test_when_probes_have_to_wait_for_long_a_guess_will_do(seconds: float) -> None:
    plant = Plant(DAY, questions=1)
    plant.api.limiters["list"].block(seconds)

    plant.works.turn()

    assert plant.api.asked("create") == [0.0]


@pytest.mark.parametrize("seconds", [4.9, 0.0])
def test_when_probes_come_soon_windows_are_not_guessed(seconds: float) -> None:
    plant = Plant(DAY, questions=1)
    plant.api.limiters["list"].block(seconds)

    plant.read()

    assert plant.api.asked("probe") == [pytest.approx(seconds, abs=0.1)]
    assert plant.api.asked("create") == [pytest.approx(seconds, abs=0.1)]


def test_windows_are_not_guessed_while_no_export_could_be_created_anyway() -> None:
    plant = Plant(DAY, questions=1)
    plant.api.limiters["list"].block(30.0)
    plant.api.limiters["create"].block(40.0)

    plant.read()

    assert plant.api.asked("probe") == [pytest.approx(30.0, abs=0.1)]
    assert plant.api.asked("create") == [pytest.approx(40.0, abs=0.1)]


def test_windows_are_not_guessed_a_moment_before_an_export_could_be_created() -> None:
    plant = Plant(DAY, questions=1)
    plant.api.limiters["list"].block(90.0)
    plant.api.limiters["create"].block(0.5)

    plant.works.turn(wait=False)

    assert plant.planner.cut


def test_no_more_windows_are_guessed_than_exports_can_be_created() -> None:
    plant = Plant(*days(9), parallel=9, questions=1)
    plant.api.limiters["list"].block(90.0)

    plant.works.turn()

    assert len(plant.planner.cut) == 4


# The end.


def test_closing_lets_go_of_all_files_also_of_those_still_to_come() -> None:
    windows = days(3)
    plant = Plant(*windows)
    plant.api.seconds.update(zip(windows, [1.0, 1.0, 20.0], strict=True))
    plant.head()
    while len(plant.api.spools) < 3:
        plant.works.turn()

    plant.works.close()
    plant.works.turn()

    assert [spool.file.closed for spool in plant.api.spools] == [True] * 3
    assert all(job.spool is None for job in [plant.works.head()] if job)
