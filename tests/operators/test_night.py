"""From a folder of labelled pictures to a promoted model, task by task, as the DAGs string them together."""

from __future__ import annotations

from typing import Any


def test_first_model_then_a_night_of_learning(project: Any, context: dict[str, Any]) -> None:
    layout = project.layout
    project.upload_voc(layout.bootstrap_voc(), range(64))
    project.upload_voc(f"{layout.holdout('v1')}/voc/clean", range(1000, 1012))
    project.upload_voc(f"{layout.holdout('v1')}/voc/drifted", range(2000, 2012), dusk=True)
    packed = project.pack().execute(context)
    assert packed == {"train": 51, "validation": 13, "rejected": 0, "holdout": 24}

    first = project.bootstrap().execute(context)
    assert project.read(layout.card(first["model"]))["created_by"] == "bootstrap"
    assert project.publish(model=first["model"]).execute(context)["version"] == 1
    deployed = project.deploy().execute(context)
    assert deployed["model"] == first["model"]

    project.answer_night(range(3000, 3040), dusk=True)
    scored = project.score(first["model"], part_size=16).execute(context)
    assert (scored["images"], scored["scored"], scored["quarantined"]) == (40, 40, 0)

    trained = project.train(control_arm=True).execute(context)
    verdict = project.evaluate(trained["model"], control=trained["control"]["model"]).execute(context)
    comparison = project.read(layout.comparison("v1", trained["model"]))
    assert set(comparison["slices"]) == {"clean", "drifted"}
    assert comparison["promote"] is verdict["promote"]

    assert project.promote(trained["model"]).execute(context) == {"champion": trained["model"], "version": 2}
    assert project.deploy().execute(context)["model"] == trained["model"]
