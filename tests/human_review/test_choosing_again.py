"""Another run of a night that was launched before: what it says, and what it may add."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from secondlook.launching.ledger import RoundChangedError
from secondlook.records.reviews import LedgerMissingError
from tests.human_review.test_launch import a_night
from tests.support.airflow import TaskInstance
from tests.support.review_project import NIGHT
from tests.support.reviewer import predrawn

LATER = "2026-11-21"


def run(project, **arguments):
    """Launch once more; returns the counts and the forecast."""
    ti = TaskInstance("manual__1", "launch")
    return project.launch(**arguments).execute({"ti": ti}), ti.xcoms.get("forecast", {}).get("text")


def test_a_run_that_may_ask_nobody_leaves_the_night_open(ready, context, reviewer, wait_until, capsys):
    ready.score(a_night(ready))
    result, forecast = run(ready, limit=0, month_limit=10)
    assert (result["selected"], result["ledger"], forecast) == (0, None, None)
    assert "because review_limit is 0" in capsys.readouterr().out
    assert not [key for key in keys(ready) if "ledger" in key or "selection-" in key or "budgets/" in key]
    # The rest of that night has nothing to wait for and nothing to write down.
    assert ready.await_reviews().execute(context)["completed"] == 0
    assert ready.manifest().execute(context)["lines"] == 0

    # The same night with a limit asks.
    result, _ = run(ready, limit=6, month_limit=10)
    assert (result["selected"], result["started"]) == (6, 6)
    assert len(ready.loops()) == 6
    reviewer.answer_all(predrawn)
    wait_until(lambda: set(ready.loops().values()) == {"Completed"})
    assert ready.await_reviews().execute(context)["completed"] == 6
    made = ready.manifest().execute(context)
    assert made["lines"] + made["rejected"] == 6

    # And a run without one takes nothing back.
    result, forecast = run(ready, limit=0, month_limit=10)
    assert (result["selected"], result["adopted"]) == (6, 6)
    assert forecast == "0 images to review, 6 asked before."


def test_a_night_that_was_never_launched_is_still_waited_for_with_a_sentence(ready, context):
    with pytest.raises(LedgerMissingError, match="run the task that launches"):
        ready.await_reviews().execute(context)


def test_a_run_by_other_settings_says_which_and_how_to_choose_again(ready, capsys):
    ready.score(a_night(ready))
    run(ready, limit=4, policy_params={"floor": 0.1})
    capsys.readouterr()
    assert run(ready, limit=4, policy_params={"floor": 0.1})[0]["adopted"] == 4
    assert "no effect" not in capsys.readouterr().out

    result, _ = run(ready, policy="random", limit=9, audit_share=0.5)
    assert (result["selected"], result["started"]) == (4, 0)
    said = capsys.readouterr().out
    assert (
        "the 4 reviews of 2026-11-20 were chosen before, by review_policy uncertainty_sum, not random" in said
    )
    assert 'policy_params {"floor": 0.1}, not {}; review_limit 4, not 9; audit_share 0.1, not 0.5' in said
    assert "choose_again = true" in said

    # Images that came after the selection are no longer passed over in silence.
    ready.score([*a_night(ready), ready.prediction("late", 0.5, 0.5, 0.5)])
    run(ready, limit=4, policy_params={"floor": 0.1})
    assert "12 scored images, not 13" in capsys.readouterr().out


def test_a_selection_that_a_dead_launch_left_is_followed_and_told(ready, capsys):
    ready.score(a_night(ready))
    run(ready, limit=3, month_limit=50)
    ready.s3.delete_object(Bucket=ready.bucket, Key=ready.layout.ledger(NIGHT))
    capsys.readouterr()
    assert run(ready, limit=8, month_limit=50)[0]["selected"] == 3
    assert "by review_limit 3, not 8" in capsys.readouterr().out
    # The ledger knows which run's selection it is.
    assert run(ready, limit=3, month_limit=50)[0]["selected"] == 3
    assert "no effect" not in capsys.readouterr().out
    assert run(ready, limit=8, month_limit=50, choose_again=True)[0]["selected"] == 8


def test_choosing_again_adds_up_to_the_limit_and_asks_about_nothing_twice(ready, capsys):
    ready.score(a_night(ready))
    run(ready, policy="top_score", policy_params={"threshold": 1}, limit=4, audit_share=0.0)
    first = ready.lines(ready.layout.ledger(NIGHT))
    assert len(first) == 4

    again = {"limit": 7, "audit_share": 0.34, "choose_again": True}
    result, forecast = run(ready, **again)
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert (result["selected"], result["started"], result["adopted"]) == (7, 3, 4)
    assert forecast.startswith("3 images to review, ")
    assert forecast.endswith("4 asked before.")
    assert ledger[:4] == first
    assert [line["rank"] for line in ledger] == [1, 2, 3, 4, 5, 6, 7]
    assert [line["reason"] for line in ledger[4:]] == ["policy", "policy", "audit"]
    assert len({line["image"] for line in ledger}) == len(ready.loops()) == 7

    # The same again, as a retry would: nothing more, not a byte.
    capsys.readouterr()
    before = ready.get(ready.layout.ledger(NIGHT))
    assert run(ready, **again)[0]["started"] == 0
    assert run(ready, **{**again, "choose_again": False})[0]["started"] == 0
    assert ready.get(ready.layout.ledger(NIGHT)) == before
    assert "no effect" not in capsys.readouterr().out

    # Fewer than are asked takes nothing back.
    assert run(ready, **{**again, "limit": 5})[0]["selected"] == 7


def test_images_that_came_later_can_be_chosen_by_the_same_settings(ready):
    ready.score(a_night(ready)[:6])
    settings = {"policy": "top_score", "policy_params": {"threshold": 1}, "audit_share": 0.0}
    assert run(ready, limit=10, **settings)[0]["selected"] == 6
    ready.score(a_night(ready))
    assert run(ready, limit=10, **settings)[0]["selected"] == 6
    result, _ = run(ready, limit=10, **settings, choose_again=True)
    assert (result["selected"], result["started"]) == (10, 4)


def test_the_wait_goes_on_for_the_first_reviews_too(ready, context, reviewer, wait_until):
    ready.score(a_night(ready))
    run(ready, limit=2)
    launched = ready.s3.head_object(Bucket=ready.bucket, Key=ready.layout.ledger(NIGHT))["Metadata"]
    reviewer.answer_all(predrawn)
    run(ready, limit=5, choose_again=True)
    now = ready.s3.head_object(Bucket=ready.bucket, Key=ready.layout.ledger(NIGHT))["Metadata"]
    assert now["launched-at"] == launched["launched-at"]
    assert reviewer.answer_all(predrawn) == 3
    wait_until(lambda: list(ready.loops().values()) == ["Completed"] * 5)
    assert ready.await_reviews().execute(context)["completed"] == 5
    made = ready.manifest().execute(context)
    assert made["lines"] + made["rejected"] == 5


def test_what_had_no_room_in_the_budget_is_asked_by_choosing_again(ready):
    ready.score(a_night(ready))
    money = {"limit": 6, "price_per_review": "0.10"}
    assert run(ready, **money, month_limit=2)[0]["postponed"] == 4
    # Without the word a larger budget is for other nights.
    assert run(ready, **money, month_limit=5)[0]["started"] == 0
    result, _ = run(ready, limit=7, price_per_review="0.10", month_limit=5, choose_again=True)
    assert (result["selected"], result["started"]) == (5, 3)
    budget = json.loads(ready.get(ready.layout.budget(result["month"])))
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    asked = {line["loop"] for line in ledger if "state" not in line}
    assert (budget["images"], set(ready.loops())) == (5, asked)
    # What still has no room waits for a later night, which takes none that is asked by now.
    ready.score([ready.prediction("new", 0.5, night=LATER)], LATER)
    later, _ = run(ready, night=LATER, limit=9, price_per_review="0.10", month_limit=99)
    waiting = {line["loop"] for line in ledger} - asked
    taken = [line for line in ready.lines(ready.layout.ledger(LATER)) if "from_night" in line]
    assert {line["loop"] for line in taken} == waiting
    assert later["taken_up"] == len(waiting) >= 2
    # And what a later night has taken up is not asked by this one any more.
    again, _ = run(ready, limit=12, price_per_review="0.10", month_limit=99, choose_again=True)
    assert again["selected"] == 12 - len(waiting)
    assert len(ready.loops()) == 12 + 1


def test_two_runs_that_choose_again_at_once_come_to_one_ledger(ready):
    ready.score(a_night(ready))
    run(ready, limit=2, month_limit=50)
    with ThreadPoolExecutor(2) as runs:
        launches = [
            ready.launch(policy=policy, limit=6, month_limit=50, choose_again=True)
            for policy in ("random", "uncertainty_sum")
        ]
        results = list(
            runs.map(lambda launch: launch.execute({"ti": TaskInstance("manual__1", "launch")}), launches)
        )
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert {result["selected"] for result in results} == {6}
    assert set(ready.loops()) == {line["loop"] for line in ledger}
    budget = json.loads(ready.get(ready.layout.budget(results[0]["month"])))
    assert budget["images"] == 6


def test_a_round_is_not_changed_by_choosing_again(ready):
    ready.score(a_night(ready))
    run(ready, limit=2)
    with pytest.raises(RoundChangedError, match=f"a review round of {NIGHT}, and round 2 is another"):
        run(ready, limit=5, round=2, choose_again=True)


def keys(project) -> list[str]:
    listed = project.s3.list_objects_v2(Bucket=project.bucket)["Contents"]
    return [item["Key"] for item in listed]
