"""Launches that run side by side, die anywhere and are run again: the budget holds and nothing leaks.

The real operator runs several times at once, and one run at a time moves, by one call of S3 or of the review
service, in the order that hypothesis draws. A run may be killed before such a call or after it took effect.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.a2i import InvalidLoopError
from secondlook.records.budgets import OverBudgetError
from tests.human_review.budget_world import AFTERWARDS, COST, LAYOUT, NIGHTS, Killed, Run, World

limits = st.fixed_dictionaries(
    {"limit": st.integers(4, 8), "month_limit": st.integers(0, 9)},
    optional={
        "month_money": st.integers(0, 9).map(lambda images: images * COST + Decimal("0.05")),
        "night_money": st.integers(0, 4).map(lambda images: images * COST),
    },
)
# A byte of the schedule: which of three runs moves, how far, and what befalls it there.
SLOTS = 3
REACHES = ("a call", "to its next write", "to its next write", "through its next write")
FAULTS = ("", "", "", "", "", "", "", "", "before", "after")


def decode(byte: int) -> tuple[int, str, str]:
    byte, slot = divmod(byte, SLOTS)
    byte, reach = divmod(byte, len(REACHES))
    return slot, REACHES[reach], FAULTS[byte % len(FAULTS)]


def a_night(world: World, number: int) -> str:
    """Three times out of four one of the next nights that was not launched yet, else any night again."""
    new = [night for night in NIGHTS if not world.objects.exists(LAYOUT.ledger(night))]
    return new[number // 4 % min(2, len(new))] if new and number % 4 else NIGHTS[number % len(NIGHTS)]


def advance(world: World, run: Run, reach: str) -> None:
    """Move a run until just before its next write, by at least one call; and beyond, if told."""
    while not run.ended:
        run.step()
        world.check()
        if reach == "a call" or run.about_to_write:
            break
    if reach == "through its next write" and not run.ended:
        run.step()
        world.check()


def move(world: World, runs: dict[int, Run], byte: int, turn: int) -> None:
    slot, reach, fault = decode(byte)
    if slot not in runs:
        runs[slot] = Run(world, a_night(world, byte + turn))
    advance(world, runs[slot], reach)
    if fault and not runs[slot].ended:
        runs[slot].step(fault)
        world.check()
    if runs[slot].ended:
        error = runs.pop(slot).error
        assert error is None or isinstance(error, Killed | InvalidLoopError | OverBudgetError), error


@pytest.mark.timeout(900)
@settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    images=st.lists(st.sampled_from((0, 2, 3, 4)), min_size=len(NIGHTS), max_size=len(NIGHTS)),
    limits=limits,
    refuses=st.booleans(),
    schedule=st.binary(min_size=20, max_size=48),
    month_ends=st.sampled_from((0, 8, 12, 16, 20, 24)),
    calls_without_budget=st.sampled_from((0, 0, 0, 6, 10, 12, 14)),
)
def test_the_budget_is_never_exceeded_and_never_leaks(
    images, limits, refuses, schedule, month_ends, calls_without_budget
):
    world = World(images, limits, refuses)
    with world.staged():
        if calls_without_budget:
            world.launch_without_budget(NIGHTS[0], calls_without_budget)
        runs: dict[int, Run] = {}
        for turn, byte in enumerate(schedule):
            if turn == month_ends:
                # While launches are under way; what the old month had no room for, the new one may have.
                world.now = datetime(2026, 12, 1, tzinfo=UTC)
            move(world, runs, byte, turn)
        for run in runs.values():
            run.finish()
            world.check()
        # A person corrects what was refused, and every night is run again.
        world.desk.refuses = False
        for night in NIGHTS:
            run = Run(world, night)
            run.finish()
            assert run.error is None or isinstance(run.error, OverBudgetError), run.error
        world.check_end()
        started = world.desk.starts
        for night in NIGHTS:
            Run(world, night).finish()
        assert world.desk.starts == started, "a night run again starts loops"
        # Limits are lifted: what had no place, postponed or in a fixed ledger, finds one.
        world.limits = {"limit": 8}
        for night in NIGHTS:
            if not {line.loop for line in world.ledger(night) if line.asked} <= world.desk.loops:
                Run(world, night).finish()
        world.take_up_the_rest()


def test_a_later_night_with_room_takes_up_all_that_was_postponed():
    world = World([4, 4, 4, 4, 0], {"limit": 8, "month_limit": 6}, refuses=False)
    with world.staged():
        for night in NIGHTS:
            Run(world, night).finish()
        assert world.desk.starts == 6
        world.now = datetime(2026, 12, 15, 3, tzinfo=UTC)
        del world.limits["month_limit"]
        Run(world, AFTERWARDS, limit=8).finish()
        ledger = world.ledger(AFTERWARDS)
        assert [line.from_night for line in ledger] == [NIGHTS[1]] * 2 + [NIGHTS[2]] * 4 + [NIGHTS[3]] * 2
        assert [line.rank for line in ledger] == list(range(1, 9))
        postponed = [line for night in NIGHTS[1:] for line in world.ledger(night) if not line.asked]
        assert {line.state_reason for line in postponed} == {"over budget"}
        as_postponed = [
            replace(x, state="postponed", state_reason="over budget", from_night=None, rank=y.rank)
            for x, y in zip(ledger, postponed[:8], strict=True)
        ]
        assert as_postponed == postponed[:8]
        assert world.selection(AFTERWARDS).month == "2026-12"
        world.check_end()


def test_what_an_archive_postponed_is_taken_up_by_a_night_that_is_launched_later():
    """The nights are years older than the one with room; what counts is when they were launched."""
    world = World([4, 4, 4, 4, 0], {"limit": 8, "month_limit": 2}, refuses=False)
    tonight, tomorrow, too_late = "2030-01-09", "2030-01-10", "2030-01-20"
    for night in (tonight, tomorrow, too_late):
        world.score(night)
    with world.staged():
        for night in NIGHTS[:4]:
            Run(world, night).finish()
        before = dict(world.objects.data)
        world.limits["month_limit"] = 100
        for night in NIGHTS[:4]:
            Run(world, night).finish()
        summaries = {LAYOUT.launch_summary(night) for night in NIGHTS}
        changed = {key for key, value in world.objects.data.items() if before.get(key) != value}
        assert (world.desk.starts, changed <= summaries) == (2, True)

        # They were launched on 30 November.
        world.now = datetime(2026, 12, 10, tzinfo=UTC)
        Run(world, tonight, postponed_nights=9).finish()
        assert world.ledger(tonight) == []
        Run(world, tomorrow, postponed_nights=10).finish()
        taken = [NIGHTS[0]] * 2 + [NIGHTS[1]] * 4 + [NIGHTS[2]] * 2
        assert [line.from_night for line in world.ledger(tomorrow)] == taken
        assert (world.desk.starts, world.month("2026-12").images) == (10, 8)
        # Two nights have nothing left that waits: the next one sees that once, and they are not read again.
        assert set(world.marks()) == set(NIGHTS[:4])
        Run(world, too_late, limit=3, postponed_nights=10).finish()
        assert [line.from_night for line in world.ledger(too_late)] == [NIGHTS[2]] * 2 + [NIGHTS[3]]
        assert world.marks() == list(NIGHTS[2:4])


def test_a_night_takes_up_nothing_of_a_night_after_it():
    world = World([0, 4, 0, 0, 0], {"limit": 8, "month_limit": 0}, refuses=False)
    with world.staged():
        Run(world, NIGHTS[1]).finish()
        Run(world, NIGHTS[0], month_limit=9).finish()
        assert world.ledger(NIGHTS[0]) == []
        Run(world, NIGHTS[2], month_limit=9).finish()
        assert len(world.ledger(NIGHTS[2])) == 4


def test_a_night_selected_again_finds_what_it_has_taken_up():
    world = World([2, 0, 0, 0, 0], {"limit": 8, "month_limit": 0}, refuses=False)
    with world.staged():
        Run(world, NIGHTS[0]).finish()
        world.limits["month_limit"] = 9
        for night in NIGHTS[1:3]:
            Run(world, night).finish()
        ledger = world.ledger(NIGHTS[1])
        assert (len(ledger), world.ledger(NIGHTS[2]), world.marks()) == (2, [], [])
        # A person removes what fixes the selection.
        world.objects.delete(LAYOUT.ledger(NIGHTS[1]))
        world.objects.delete(LAYOUT.review_selection(NIGHTS[1], 1))
        Run(world, NIGHTS[1]).finish()
        assert world.ledger(NIGHTS[1]) == ledger
        world.take_up_the_rest()


def test_what_a_night_claims_and_gives_back_is_found_by_another():
    world = World([0, 0, 2, 0, 2], {"limit": 8, "month_limit": 0}, refuses=False)
    with world.staged():
        Run(world, NIGHTS[2]).finish()
        world.limits["month_limit"] = 3
        claiming = Run(world, NIGHTS[3])
        while not world.objects.exists(LAYOUT.taken_up(NIGHTS[2])):
            claiming.step()
        # This one sees that all is claimed, and takes two of the three places for its own.
        Run(world, NIGHTS[4]).finish()
        claiming.finish()
        assert [sum(line.asked for line in world.ledger(night)) for night in NIGHTS[2:]] == [0, 1, 2]
        world.take_up_the_rest()


def test_a_death_at_any_call_leaves_nothing_that_no_later_night_finds():
    """Each of three nights dies once at the same call: one postpones, one takes up, one finds it done."""
    for fault in ("before", "after"):
        for call in range(30):
            world = World([3, 0, 0, 0, 0], {"limit": 8}, refuses=False)
            with world.staged():
                for night, limit in zip(NIGHTS[:3], (1, 2, 9), strict=True):
                    run = Run(world, night, month_limit=limit)
                    for _ in range(call):
                        if not run.ended:
                            run.step()
                    if not run.ended:
                        run.step(fault)
                    Run(world, night, month_limit=limit).finish()
                assert world.desk.starts == 3
                world.take_up_the_rest()


def test_what_two_months_want_to_take_up_is_asked_by_one_of_them():
    world = World([0, 0, 2, 0, 0], {"limit": 8, "month_limit": 0}, refuses=False)
    with world.staged():
        Run(world, NIGHTS[2]).finish()
        # One night selects both in November, sees December come, and goes on.
        early = Run(world, NIGHTS[3], month_limit=2)
        while not world.objects.exists(LAYOUT.review_selection(NIGHTS[3], 1)):
            early.step()
        world.now = datetime(2026, 12, 1, tzinfo=UTC)
        Run(world, NIGHTS[4], month_limit=1).finish()
        early.finish()
        assert [line.from_night for line in world.selection(NIGHTS[3]).lines] == [NIGHTS[2]] * 2
        asked = [sum(line.asked for line in world.ledger(night)) for night in NIGHTS]
    assert asked == [0, 0, 0, 1, 1]
    world.limits["month_limit"] = 2
    world.check_end()


def test_a_loop_that_the_service_refuses_gives_its_place_to_another_night():
    world = World([4, 4, 0, 0, 0], {"limit": 8, "month_limit": 5}, refuses=True)
    with world.staged():
        first = Run(world, NIGHTS[0])
        first.finish()
        assert isinstance(first.error, InvalidLoopError)
        # It stopped at the first refusal and keeps what it will ask once that is corrected.
        assert world.month("2026-11").images == 3
        world.desk.refuses = False
        Run(world, NIGHTS[1]).finish()
        assert world.month("2026-11").images == 5
        again = Run(world, NIGHTS[0])
        again.finish()
        assert isinstance(again.error, OverBudgetError)
        assert "1 of the 4 reviews in s3://cells/p/reviews/2026-11-27/" in str(again.error)
        assert world.desk.starts == 5
        world.limits["month_limit"] = 6
        Run(world, NIGHTS[0]).finish()
        assert world.desk.starts == 6
        world.check_end()


def test_a_limit_set_in_the_middle_of_a_launch_holds_for_what_is_still_to_be_asked():
    world = World([4, 0, 0, 0, 0], {"limit": 8, "month_limit": 1}, refuses=False)
    with world.staged():
        world.launch_without_budget(NIGHTS[0], calls=12)
        assert len(world.uncounted) == 2
        run = Run(world, NIGHTS[0])
        run.finish()
        assert isinstance(run.error, OverBudgetError)
        assert "1 of the 4 reviews in s3://cells/p/reviews/2026-11-27/ledger.jsonl" in str(run.error)
        assert "have no place in the budget of 2026-11 and were not started" in str(run.error)
        assert (world.desk.starts, world.month("2026-11").images) == (3, 1)
        # A person raises the limit and clears the task, a month later.
        world.now = datetime(2026, 12, 15, tzinfo=UTC)
        world.limits["month_limit"] = 2
        Run(world, NIGHTS[0]).finish()
        assert (world.desk.starts, world.month("2026-11").images) == (4, 2)
        world.check_end()


def test_limits_in_number_and_money_hold_at_once():
    """A month of 1.00 has room for six images at 0.16, a night of 0.35 for two."""
    world = World([4, 4, 4, 4, 0], {"limit": 8, "month_money": "1.00", "night_money": "0.35"}, refuses=False)
    with world.staged():
        for night in NIGHTS:
            Run(world, night).finish()
    asked = [sum(line.asked for line in world.ledger(night)) for night in NIGHTS]
    assert asked == [2, 2, 2, 0, 0]
    assert [line.rank for line in world.ledger(NIGHTS[0]) if line.asked] == [1, 2]
    assert world.month("2026-11").spent == Decimal("0.96")


def test_a_damaged_budget_stops_the_launch_with_a_sentence():
    world = World([1, 0, 0, 0, 0], {"limit": 8, "month_limit": 6}, refuses=False)
    world.objects.write(LAYOUT.budget("2026-11"), b'{"month": 11}')
    with world.staged():
        run = Run(world, NIGHTS[0])
        run.finish()
    assert isinstance(run.error, SecondLookError)
    assert "p/budgets/2026-11.json cannot be used" in str(run.error)
    assert world.desk.loops == set()


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    images=st.integers(2, 6),
    first=st.fixed_dictionaries({"limit": st.integers(0, 6), "month_limit": st.integers(0, 6)}),
    again=st.fixed_dictionaries({"limit": st.integers(6, 8), "month_limit": st.integers(6, 9)}),
    schedule=st.binary(max_size=30),
)
def test_a_night_that_is_chosen_again_keeps_to_its_budget_wherever_it_dies(images, first, again, schedule):
    world = World([images, 0, 0, 0, 0], first, refuses=False)
    with world.staged():
        Run(world, NIGHTS[0]).finish()
        asked = [line for line in world.ledger(NIGHTS[0]) if line.asked]
        world.limits = again
        runs: dict[int, Run] = {}
        for byte in schedule:
            slot, reach, fault = decode(byte)
            # One of three takes up what had no room; the others choose again.
            night, choose = (NIGHTS[4], False) if slot == 2 else (NIGHTS[0], True)
            run = runs.setdefault(slot, Run(world, night, choose_again=choose))
            advance(world, run, reach)
            if fault and not run.ended:
                run.step(fault)
                world.check()
            if run.ended:
                assert runs.pop(slot).error is None or isinstance(run.error, Killed), run.error
        for run in [*runs.values(), Run(world, NIGHTS[4]), Run(world, NIGHTS[0], choose_again=True)]:
            run.finish()
            assert run.error is None, run.error
        ledger = world.ledger(NIGHTS[0])
        assert [line for line in ledger if line in asked] == asked
        everywhere = [line.loop for n in (NIGHTS[0], NIGHTS[4]) for line in world.ledger(n) if line.asked]
        assert len(everywhere) == len(set(everywhere)) == images
        assert world.desk.loops == set(everywhere)
        assert sorted(world.reserved()) == sorted(everywhere)
        ledgers = dict(world.objects.data)
        Run(world, NIGHTS[0], choose_again=True).finish()
        assert world.objects.data[LAYOUT.ledger(NIGHTS[0])] == ledgers[LAYOUT.ledger(NIGHTS[0])]
