"""A month's budget shared by nights that are launched at the same time, on a real S3 server."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from tests.human_review.conftest import TaskInstance

NIGHTS = ["2026-11-20", "2026-11-21"]


def test_two_nights_racing_for_one_month_stay_within_it(ready):
    for night in NIGHTS:
        ready.score([ready.prediction(f"image-{i}", 0.5, 0.6, night=night) for i in range(5)], night)
    tasks = [TaskInstance() for _ in range(4)]
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
    deferred = [line for lines in ledgers.values() for line in lines if line.get("state") == "deferred"]
    assert set(ready.loops()) == set(asked)
    assert (len(asked), len(deferred)) == (7, 3)
    assert {line["state_reason"] for line in deferred} == {"over budget"}
    budget = json.loads(ready.get(ready.layout.budget(results[0]["month"])))
    assert (budget["images"], budget["spent"]) == (7, "0.56")
    assert sum(result["deferred"] for result in results[:2]) == 3
    assert tasks[0].xcoms["forecast"]["text"].startswith(f"{results[0]['selected']} images to review, 0.")
