"""From answers to an augmented manifest."""

from __future__ import annotations

import json

import pytest

from secondlook.operators.manifest import OutcomesMissingError
from secondlook.runtime.arguments import ArgumentError
from tests.support.review_project import NIGHT
from tests.support.reviewer import HEIGHT_PX, WIDTH_PX

CORRECTED = {"label": "WBC", "left": 100, "top": 50, "width": 40, "height": 30}


def ask(project, context, names, **launch):
    project.score([project.prediction(name, 0.9, 0.4) for name in names])
    project.launch(**launch).execute(context)
    return project.lines(project.layout.ledger(NIGHT))


def finish(project, context, wait_until):
    wait_until(lambda: "InProgress" not in project.loops().values())
    project.await_reviews().execute(context)
    return project.manifest().execute(context)


def rewrite(project, loop, old, new):
    """Change a loop's answer in S3; JSON is written again so that the spacing is known."""
    (place,) = (
        item["output"] for item in project.lines(project.layout.outcomes(NIGHT)) if item["loop"] == loop
    )
    key = project.layout.key_of(place)
    output = json.loads(project.get(key))
    answers = json.dumps(output["humanAnswers"]).encode()
    assert old in answers
    output["humanAnswers"] = json.loads(answers.replace(old, new))
    project.put(key, json.dumps(output).encode())


def image_of(item):
    return item["image"].rpartition("/")[2].removesuffix(".jpg")


def test_answers_become_training_lines_as_the_algorithm_reads_them(ready, context, reviewer, wait_until):
    (line,) = ask(ready, context, ["a"])
    reviewer.answer_all(lambda task: [*task["input"]["initialValue"], CORRECTED])
    result = finish(ready, context, wait_until)

    assert result == {
        "night": NIGHT,
        "manifest": ready.layout.uri(ready.layout.reviewed_manifest(NIGHT)),
        "lines": 1,
        "rejected": 0,
    }
    (written,) = ready.lines(ready.layout.reviewed_manifest(NIGHT))
    assert written["source-ref"] == line["image"]
    assert written["bounding-box"]["image_size"] == [{"depth": 3, "height": HEIGHT_PX, "width": WIDTH_PX}]
    assert {"class_id": 1, "left": 100, "top": 50, "width": 40, "height": 30} in written["bounding-box"][
        "annotations"
    ]
    metadata = written["bounding-box-metadata"]
    assert metadata["class-map"] == {"0": "RBC", "1": "WBC", "2": "Platelets"}
    assert metadata["creation-date"] == f"{NIGHT}T00:00:00"
    assert metadata["job-name"] == f"a2i/{line['loop']}"
    assert ready.get(ready.layout.rejected(NIGHT)) == b""
    # Who answered, and when, is personal and goes no further.
    assert b"worker" not in ready.get(ready.layout.reviewed_manifest(NIGHT)).lower()


def test_every_question_ends_in_exactly_one_file(ready, context, reviewer, wait_until):
    ledger = ask(ready, context, ["good", "empty", "strange-label", "turned", "stopped"])
    names = {line["loop"]: image_of(line) for line in ledger}
    loops = {name: loop for loop, name in names.items()}
    ready.a2i.stop_human_loop(HumanLoopName=loops["stopped"])
    while task := reviewer.next():
        boxes = [] if names[task["loop"]] == "empty" else [CORRECTED]
        assert reviewer.answer(task, boxes)[0] == 200
    wait_until(lambda: "InProgress" not in ready.loops().values())
    ready.await_reviews().execute(context)
    # What a template with other labels, and a browser that turns images, would have sent.
    rewrite(ready, loops["strange-label"], b'"WBC"', b'"Dust"')
    rewrite(ready, loops["turned"], b'"width": 320', b'"width": 240')
    result = ready.manifest().execute(context)

    manifest = ready.lines(ready.layout.reviewed_manifest(NIGHT))
    rejected = ready.lines(ready.layout.rejected(NIGHT))
    codes = {image_of(item): item["code"] for item in rejected}
    assert [line["source-ref"] for line in manifest] == [
        line["image"] for line in ledger if image_of(line) == "good"
    ]
    assert codes == {
        "empty": "nothing-to-label",
        "strange-label": "unknown-label",
        "turned": "image-size-mismatch",
        "stopped": "stopped",
    }
    assert all(item["reason"] for item in rejected)
    assert (result["lines"], result["rejected"]) == (1, 4)
    summary = json.loads(ready.get(ready.layout.manifest_summary(NIGHT)))
    assert summary["codes"] == dict.fromkeys(codes.values(), 1)
    assert {key: summary[key] for key in result} == result


def test_unreadable_and_missing_outputs_are_rejected_lines(ready, context, reviewer, wait_until):
    ask(ready, context, ["fine", "garbled", "lost"])
    reviewer.answer_all(lambda task: [CORRECTED])
    wait_until(lambda: set(ready.loops().values()) == {"Completed"})
    ready.await_reviews().execute(context)
    places = {image_of(item): item["output"] for item in ready.lines(ready.layout.outcomes(NIGHT))}
    ready.put(ready.layout.key_of(places["garbled"]), b"<html>not what you think</html>")
    ready.s3.delete_object(Bucket=ready.bucket, Key=ready.layout.key_of(places["lost"]))

    assert ready.manifest().execute(context)["lines"] == 1
    rejected = {image_of(item): item["code"] for item in ready.lines(ready.layout.rejected(NIGHT))}
    assert rejected == {"garbled": "unreadable-output", "lost": "missing-output"}


def test_the_same_answers_give_the_same_bytes(ready, context, reviewer, wait_until):
    ask(ready, context, ["a", "b", "c", "d"])
    reviewer.answer_all(lambda task: [CORRECTED] if task["input"]["taskObject"] < "t" else [])
    finish(ready, context, wait_until)
    keys = [
        ready.layout.reviewed_manifest(NIGHT),
        ready.layout.rejected(NIGHT),
        ready.layout.manifest_summary(NIGHT),
    ]
    first = [ready.get(key) for key in keys]
    ready.await_reviews().execute(context)
    ready.manifest().execute(context)
    assert [ready.get(key) for key in keys] == first


def test_two_reviewers_are_consolidated(
    project, context, human_task_ui_arn, reviewer, second_reviewer, wait_until
):
    project.make_flow(human_task_ui_arn, TaskCount=2)
    ask(project, context, ["a"])
    shifted = {**CORRECTED, "left": CORRECTED["left"] + 4}
    seen_by_one = {**CORRECTED, "left": 200, "label": "RBC"}
    assert reviewer.answer_all(lambda task: [CORRECTED, seen_by_one]) == 1
    assert second_reviewer.answer_all(lambda task: [shifted]) == 1
    finish(project, context, wait_until)

    (line,) = project.lines(project.layout.reviewed_manifest(NIGHT))
    (box,) = line["bounding-box"]["annotations"]
    assert (box["class_id"], box["left"], box["width"]) == (1, 102, 40)
    assert json.loads(project.get(project.layout.manifest_summary(NIGHT)))["notes"]["minority-box"] == 1


def test_a_night_that_asked_nobody_has_an_empty_manifest(project, context):
    project.score([])
    project.launch().execute(context)
    project.await_reviews().execute(context)
    assert project.manifest().execute(context)["lines"] == 0
    assert project.get(project.layout.reviewed_manifest(NIGHT)) == b""


def test_a_night_that_nobody_waited_for_is_a_sentence(project, context):
    project.score([])
    project.launch().execute(context)
    with pytest.raises(
        OutcomesMissingError, match=r"run the task that awaits the reviews of 2026-11-20 first"
    ):
        project.manifest().execute(context)


def test_wrong_arguments_fail_while_the_dag_is_parsed(project):
    with pytest.raises(ArgumentError, match="Task manifest: labels must be a list"):
        project.manifest(labels="RBC, WBC")
