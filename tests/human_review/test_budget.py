"""Nights with a budget and nights without one, on a real S3 server and a real Review Desk."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from secondlook.records.budgets import OverBudgetError
from secondlook.runtime.arguments import ArgumentError
from tests.support.airflow import TaskInstance
from tests.support.review_project import NIGHT

NIGHTS = ["2026-11-20", "2026-11-21"]
LINE = [
    *("depth", "etag", "height", "image", "input_sha256", "loop", "model", "policy", "predrawn", "priority"),
    *("rank", "reason", "round", "sha256", "width"),
]


def objects(project):
    """Everything in the bucket: its key within the prefix, and its ETag."""
    listed = project.s3.list_objects_v2(Bucket=project.bucket)["Contents"]
    return {item["Key"].removeprefix(f"{project.prefix}/"): item["ETag"] for item in listed}


def test_a_night_without_a_budget_writes_what_it_always_wrote(ready, context):
    ready.score([ready.prediction(f"image-{i}", 0.5, 0.6) for i in range(5)])
    scored = objects(ready)
    result = ready.launch(limit=3).execute(context)

    launched = objects(ready)
    assert {key: launched[key] for key in scored} == scored
    assert set(launched) - set(scored) == {f"reviews/{NIGHT}/ledger.jsonl", f"reviews/{NIGHT}/launch.json"}
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert [list(line) for line in ledger] == [LINE] * 3
    budget = (result["postponed"], result["taken_up"], result["month"], result["cost"])
    assert budget == (0, 0, None, None)
    assert context["ti"].xcoms["forecast"]["text"] == "3 images to review, no answers yet to tell how long."


def test_a_budget_with_room_for_all_changes_no_byte_of_the_ledger(ready, context):
    ready.score([ready.prediction(f"image-{i}", 0.5, 0.6) for i in range(5)])
    key = ready.layout.ledger(NIGHT)
    ready.launch(limit=3).execute(context)
    without = ready.get(key)
    ready.s3.delete_object(Bucket=ready.bucket, Key=key)
    result = ready.launch(limit=3, month_limit=100, price_per_review="0.012").execute(context)
    assert ready.get(key) == without
    assert (result["started"], result["adopted"], result["cost"]) == (0, 3, "0.036")


def test_a_second_round_of_a_night_finds_what_the_first_has_left_of_its_money(ready, context):
    ready.score([ready.prediction(f"image-{i}", 0.5, 0.6) for i in range(4)])
    money = {"limit": 4, "price_per_review": "1.00", "night_money": "5.00"}
    assert ready.launch(**money).execute(context)["started"] == 4
    ready.s3.delete_object(Bucket=ready.bucket, Key=ready.layout.ledger(NIGHT))
    result = ready.launch(**money, round=2).execute(context)
    assert (result["selected"], result["postponed"], result["cost"]) == (1, 3, "1.00")


def test_a_limit_set_after_a_launch_died_holds_for_the_loops_that_are_missing(ready, context):
    ready.score([ready.prediction(f"image-{i}", 0.5, 0.6) for i in range(4)])
    ready.launch(limit=4).execute(context)
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    for line in ledger[2:]:
        ready.a2i.stop_human_loop(HumanLoopName=line["loop"])
        ready.a2i.delete_human_loop(HumanLoopName=line["loop"])

    with pytest.raises(OverBudgetError, match="1 of the 4 reviews in s3://"):
        ready.launch(limit=4, month_limit=1).execute(context)
    assert set(ready.loops()) == {line["loop"] for line in ledger[:3]}

    result = ready.launch(limit=4, month_limit=2).execute(context)
    assert (result["started"], result["adopted"]) == (1, 3)
    budget = json.loads(ready.get(ready.layout.budget(result["month"])))
    assert set(budget["reservations"][f"{NIGHT}/1"]["loops"]) == {line["loop"] for line in ledger[2:]}


def test_a_limit_set_after_a_night_was_launched_writes_nothing_for_it(ready, context):
    ready.score([ready.prediction(f"image-{i}", 0.5, 0.6) for i in range(4)])
    ready.launch(limit=4).execute(context)
    launched = objects(ready)
    assert ready.launch(limit=4, month_limit=0).execute(context)["adopted"] == 4
    assert set(objects(ready)) == set(launched)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"price_per_review": "cheap"}, "price_per_review = 'cheap': input should be a valid decimal"),
        ({"price_per_review": "-0.08"}, "price_per_review = '-0.08': input should be greater than or equal"),
        ({"month_limit": -1}, "month_limit = -1: input should be greater than or equal"),
        ({"postponed_nights": "all"}, "postponed_nights = 'all': input should be a valid integer"),
        ({"night_money": "5.00"}, "night_money = '5.00': a limit in money needs review.price_per_review"),
    ],
)
def test_a_bad_budget_gets_one_sentence_while_the_dag_is_parsed(project, arguments, sentence):
    with pytest.raises(ArgumentError) as error:
        project.launch(**arguments)
    assert str(error.value).startswith(f"Task launch: review cannot be used: {sentence}")


def test_two_nights_racing_for_one_month_stay_within_it(ready):
    for night in NIGHTS:
        ready.score([ready.prediction(f"image-{i}", 0.5, 0.6, night=night) for i in range(5)], night)
    tasks = [TaskInstance("manual__1", "launch") for _ in range(4)]
    launches = [
        ready.launch(night=night, month_limit=7, price_per_review="0.08", month_money="0.60")
        for night in NIGHTS * 2
    ]
    with ThreadPoolExecutor(4) as runs:
        results = list(
            runs.map(lambda pair: pair[0].execute({"ti": pair[1]}), zip(launches, tasks, strict=True))
        )

    ledgers = {night: ready.lines(ready.layout.ledger(night)) for night in NIGHTS}
    asked = [line["loop"] for lines in ledgers.values() for line in lines if "state" not in line]
    postponed = [line for lines in ledgers.values() for line in lines if line.get("state") == "postponed"]
    assert set(ready.loops()) == set(asked)
    assert (len(asked), len(postponed)) == (7, 3)
    assert {line["state_reason"] for line in postponed} == {"over budget"}
    budget = json.loads(ready.get(ready.layout.budget(results[0]["month"])))
    assert (budget["images"], budget["spent"]) == (7, "0.56")
    assert sum(result["postponed"] for result in results[:2]) == 3
    assert tasks[0].xcoms["forecast"]["text"].startswith(f"{results[0]['selected']} images to review, 0.")


def test_a_night_of_today_takes_up_what_an_archive_postponed(ready, context):
    archive = [f"2019-03-0{day}" for day in range(1, 4)]
    for night in archive:
        ready.score([ready.prediction(f"image-{i}", 0.5, 0.6, night=night) for i in range(2)], night)
        ready.launch(night=night, month_limit=1).execute(context)
    ledgers = {night: ready.get(ready.layout.ledger(night)) for night in archive}
    waiting = [
        line for night in archive for line in ready.lines(ready.layout.ledger(night)) if "state" in line
    ]
    assert len(waiting) == 5

    # There is room now. A second pass over the archive starts nothing: its ledgers are fixed.
    for night in archive:
        assert ready.launch(night=night, month_limit=100).execute(context)["started"] == 0
    assert {night: ready.get(ready.layout.ledger(night)) for night in archive} == ledgers
    ready.score([ready.prediction("image", 0.5)])
    result = ready.launch(month_limit=100, limit=4, postponed_nights=1).execute(context)
    assert (result["selected"], result["taken_up"]) == (4, 3)
    ready.score([ready.prediction("image", 0.5, night=NIGHTS[1])], NIGHTS[1])
    rest = ready.launch(night=NIGHTS[1], month_limit=100, postponed_nights=1).execute(context)
    assert (rest["selected"], rest["taken_up"]) == (3, 2)
    taken = [
        line["loop"] for n in NIGHTS for line in ready.lines(ready.layout.ledger(n)) if "from_night" in line
    ]
    assert taken == [line["loop"] for line in waiting]

    # Found once that nothing waits any more, the archive is not looked at again.
    ready.score([ready.prediction("image", 0.5, night="2026-11-22")], "2026-11-22")
    assert ready.launch(night="2026-11-22", month_limit=100).execute(context)["taken_up"] == 0
    assert not [key for key in objects(ready) if key.startswith("postponed/")]
