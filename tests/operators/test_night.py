"""A night of learning, task by task, as the DAG strings them together."""

from __future__ import annotations

from typing import Any


def test_a_night_from_the_first_answer_to_the_new_champion(ready: Any, context: dict[str, Any]) -> None:
    layout = ready.layout
    first = ready.deploy().execute(context)["model"]
    ready.answer_night(range(3000, 3040), dusk=True)
    scored = ready.score(first, part_size=16).execute(context)
    assert (scored["images"], scored["scored"], scored["quarantined"]) == (40, 40, 0)

    trained = ready.train(control_arm=True).execute(context)
    # Some of the forty answers validate; each of the others is paired with an old image.
    assert 30 <= trained["new"] == trained["replayed"] < 40
    verdict = ready.evaluate(trained["model"], control=trained["control"]["model"]).execute(context)
    comparison = ready.read(layout.comparison("v1", trained["model"]))
    assert set(comparison["slices"]) == {"clean", "drifted"}
    assert comparison["pooled"]["images"] == 24
    assert (comparison["champion"], comparison["control"]) == (first, trained["control"]["model"])
    assert comparison["promote"] is verdict["promote"]
    assert ready.read(layout.card(trained["model"]))["verdict"]["comparison"] == verdict["comparison"]

    # The same evaluation again asks no model anything: all answers are kept.
    transforms = ready.calls("CreateTransformJob")
    again = ready.evaluate(trained["model"], control=trained["control"]["model"]).execute(context)
    assert (again, ready.calls("CreateTransformJob")) == (verdict, transforms)

    assert ready.promote(trained["model"]).execute(context) == {"champion": trained["model"], "version": 2}
    assert ready.deploy().execute(context)["model"] == trained["model"]
