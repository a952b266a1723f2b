"""Choosing the night's images and asking people about them, once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from secondlook.failures.exceptions import LabelError, ReviewInputError, ReviewPolicyError, ReviewSetupError
from secondlook.hooks.s3 import StoreError
from secondlook.launching.ledger import SelectedImageError
from secondlook.records.reviews import ReviewRecords
from secondlook.records.scored_night import NothingScoredError
from secondlook.runtime.arguments import ArgumentError
from tests.support.airflow import TaskInstance
from tests.support.review_project import MODEL, NIGHT


def a_night(project, count=12):
    """Images from sure to unsure, and one without any detection."""
    predictions = [project.prediction(f"image-{i:02d}", 0.95, 0.95 - 0.04 * i) for i in range(count - 1)]
    return [*predictions, project.prediction("empty")]


def test_the_most_doubtful_images_are_asked_about_and_counted(ready, context):
    ready.score(a_night(ready))
    result = ready.launch(limit=5, audit_share=0.2).execute(context)

    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert result == {
        "night": NIGHT,
        "ledger": ready.layout.uri(ready.layout.ledger(NIGHT)),
        "selected": 5,
        "started": 5,
        "adopted": 0,
        "published_rule": 1,
        "by_policy": 4,
        "by_audit": 1,
        "postponed": 0,
        "taken_up": 0,
        "month": None,
        "cost": None,
    }
    assert json.loads(ready.get(ready.layout.launch_summary(NIGHT))) == result
    assert [line["rank"] for line in ledger] == [1, 2, 3, 4, 5]
    assert ledger[0]["image"].endswith("image-10.jpg")
    assert ready.loops() == {line["loop"]: "InProgress" for line in ledger}
    assert context["ti"].xcoms["_link_ReviewLink"].endswith(f"/flows/{ready.flow}")


def test_reviewers_find_the_models_boxes_drawn(ready, context, reviewer):
    ready.score([ready.prediction("a", 0.9, 0.6, 0.1)])
    ready.launch(predraw_score=0.5).execute(context)
    task = reviewer.next()
    assert task["input"]["taskObject"] == ready.layout.uri(f"{ready.layout.images(NIGHT)}/a.jpg")
    assert [box["label"] for box in task["input"]["initialValue"]] == ["RBC", "WBC"]
    assert task["input"]["labels"] == ["RBC", "WBC", "Platelets"]
    assert task["input"]["model"] == MODEL
    assert "crowd-bounding-box" in task["html"]
    assert reviewer.answer(task, [])[0] == 200


def test_a_retry_starts_nothing_and_selects_nothing_again(ready, context):
    ready.score(a_night(ready))
    first = ready.launch(limit=4).execute(context)
    ledger = ready.get(ready.layout.ledger(NIGHT))
    loops = ready.loops()

    # Other arguments, other predictions: what was asked stays what was asked.
    ready.score([*a_night(ready), ready.prediction("late", 0.5, 0.5, 0.5)])
    again = ready.launch(limit=9, policy="random").execute(context)

    assert (again["selected"], again["started"], again["adopted"]) == (4, 0, first["started"])
    assert ready.get(ready.layout.ledger(NIGHT)) == ledger
    assert ready.loops() == loops


def test_a_launch_killed_half_way_goes_on_where_it_stopped(ready, context):
    ready.score(a_night(ready))
    ready.launch(limit=6).execute(context)
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    for line in ledger[3:]:
        ready.a2i.stop_human_loop(HumanLoopName=line["loop"])
        ready.a2i.delete_human_loop(HumanLoopName=line["loop"])

    result = ready.launch(limit=6).execute(context)
    assert (result["started"], result["adopted"]) == (3, 3)
    assert set(ready.loops()) == {line["loop"] for line in ledger}


def test_two_launches_of_one_night_at_once_ask_once(ready):
    ready.score(a_night(ready))
    with ThreadPoolExecutor(2) as runs:
        # Two limits would select other images, were it not for the ledger. Either may be first.
        launches = [ready.launch(policy="random", limit=limit) for limit in (5, 4)]
        results = list(
            runs.map(lambda launch: launch.execute({"ti": TaskInstance("manual__1", "launch")}), launches)
        )

    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert len(ledger) in (4, 5)
    assert [result["selected"] for result in results] == [len(ledger)] * 2
    assert set(ready.loops()) == {line["loop"] for line in ledger}


def test_a_loop_that_was_answered_and_deleted_is_not_asked_again(ready, context, reviewer, wait_until):
    ready.score([ready.prediction("a", 0.5)])
    ready.launch().execute(context)
    reviewer.answer_all(lambda task: task["input"]["initialValue"])
    wait_until(lambda: list(ready.loops().values()) == ["Completed"])
    assert ready.await_reviews().execute(context)["completed"] == 1
    (name,) = ready.loops()
    ready.a2i.delete_human_loop(HumanLoopName=name)

    assert ready.launch().execute(context)["started"] == 0
    assert ready.await_reviews().execute(context)["completed"] == 1
    assert ready.loops() == {}


def test_a_lost_ledger_asks_nobody_again(ready, context):
    ready.score([ready.prediction("a", 0.5)])
    ready.launch(predraw_score=0.9).execute(context)
    ready.s3.delete_object(Bucket=ready.bucket, Key=ready.layout.ledger(NIGHT))
    result = ready.launch(predraw_score=0.1).execute(context)
    assert (result["started"], result["adopted"]) == (0, 1)
    assert len(ready.loops()) == 1


def test_the_published_rule_by_name(ready, context, capsys):
    ready.score(a_night(ready))
    result = ready.launch(policy="top_score", policy_params={"threshold": 0.5}, audit_share=0.0).execute(
        context
    )
    assert (result["selected"], result["published_rule"]) == (1, 1)
    assert "1 of 12 images go to human review, 1 chosen by the policy top_score" in capsys.readouterr().out


def test_a_night_that_asks_nobody_needs_no_review_workflow(project, context):
    project.score([project.prediction("sure", 0.99)])
    result = project.launch(policy="top_score", audit_share=0.0).execute(context)
    assert (result["selected"], result["started"]) == (0, 0)
    assert project.get(project.layout.ledger(NIGHT)) == b""


def test_a_night_without_images_is_no_fault(ready, context):
    ready.score([])
    assert ready.launch().execute(context)["selected"] == 0


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": "other-model"}, NothingScoredError, "no predictions of model other-model for 2026-11-20"),
        ({"policy": "best"}, ReviewPolicyError, "no review policy 'best'"),
        ({"policy_params": {"flor": 1}}, ReviewPolicyError, "refuses its parameters"),
        ({"labels": ["RBC"]}, LabelError, "the settings name 1 labels"),
        ({"bucket": "no-such-bucket"}, StoreError, "bucket no-such-bucket does not exist"),
        ({"flow_definition_name": "nowhere"}, ReviewSetupError, "nowhere does not exist in region us-east-1"),
    ],
)
def test_what_cannot_work_is_one_sentence(ready, context, arguments, error, sentence):
    ready.score(a_night(ready))
    with pytest.raises(error, match=sentence):
        ready.launch(**arguments).execute(context)


def test_labels_that_changed_after_the_ledger_are_not_asked(ready, context):
    ready.score([ready.prediction("a", 0.5)])
    ready.launch().execute(context)
    (name,) = ready.loops()
    ready.a2i.stop_human_loop(HumanLoopName=name)
    ready.a2i.delete_human_loop(HumanLoopName=name)
    with pytest.raises(ReviewInputError, match="no longer asks what the ledger of 2026-11-20 recorded"):
        ready.launch(labels=["red", "white", "small"]).execute(context)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"night": "yesterday"}, "night = 'yesterday'"),
        ({"limit": -1}, "review cannot be used: limit = -1"),
        ({"audit_share": 1.5}, "review cannot be used: audit_share = 1.5"),
        ({"predraw_score": "high"}, "review cannot be used: predraw_score = 'high'"),
        ({"round": 0}, "review cannot be used: round = 0"),
        ({"loops_per_second": 0}, "review cannot be used: loops_per_second = 0"),
        ({"labels": []}, "labels must be a list"),
        ({"policy_params": ["threshold"]}, "review cannot be used: policy_params = "),
        ({"flow_definition_name": "arn:aws:x"}, "flow_definition_name"),
    ],
)
def test_wrong_arguments_fail_while_the_dag_is_parsed(project, arguments, sentence):
    with pytest.raises(ArgumentError, match=f"Task launch: {sentence}"):
        project.launch(**arguments)


def test_templates_are_left_for_the_run(project):
    project.launch(night="{{ night }}", review="{{ settings.review }}", labels="{{ settings.labels }}")


def test_loops_start_no_faster_than_the_setting_allows(ready, context):
    ready.score(a_night(ready))
    ready.launch(limit=5, loops_per_second=2).execute(context)
    # When each loop began stands in the Review Desk's own records.
    pages = ready.a2i.get_paginator("list_human_loops").paginate(FlowDefinitionArn=ready.flow_arn)
    created = sorted(
        loop["CreationTime"].timestamp() for page in pages for loop in page["HumanLoopSummaries"]
    )
    assert len(created) == 5
    # Two seconds, less what the first call may have been under way.
    assert created[-1] - created[0] >= 1.0


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        (None, "there is no connection airflow_api"),
        ("http://admin:secret-of-nobody@127.0.0.1:9", "airflow_api cannot be reached"),
    ],
)
def test_a_note_that_cannot_be_written_keeps_nobody_from_being_asked(
    ready, context, monkeypatch, capsys, connection, reason
):
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", connection)
    ready.score(a_night(ready))
    assert ready.launch(limit=2, airflow_conn_id="airflow_api").execute(context)["started"] == 2
    logged = capsys.readouterr().out
    assert f"The task's note could not be written: {reason}" in logged
    assert "secret-of-nobody" not in logged


def unread(project, night):
    """The night as a batch transform leaves it: the images are there and their content is not known."""
    for prediction in night:
        key = project.layout.key_of(prediction.image)
        project.s3.put_object(Bucket=project.bucket, Key=key, Body=prediction.image.encode())
    etags = [
        project.s3.head_object(Bucket=project.bucket, Key=project.layout.key_of(p.image))["ETag"].strip('"')
        for p in night
    ]
    return [replace(p, sha256=None, etag=etag) for p, etag in zip(night, etags, strict=True)]


def test_the_images_of_a_transformed_night_are_read_when_they_are_chosen(ready, context):
    night = a_night(ready)
    transformed = unread(ready, night)
    ready.score([replace(p, sha256=known.sha256) for p, known in zip(transformed, night, strict=True)])
    ready.launch(limit=5).execute(context)
    by_endpoint = ready.lines(ready.layout.ledger(NIGHT))
    # What scoring by endpoint read is what a launch reads: the reviews are the same.
    for key in (ready.layout.ledger(NIGHT), ready.layout.launch_summary(NIGHT)):
        ready.s3.delete_object(Bucket=ready.bucket, Key=key)
    ready.score(transformed)
    result = ready.launch(limit=5).execute(context)
    assert (result["started"], result["adopted"]) == (0, 5)
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert [(line["loop"], line["sha256"]) for line in ledger] == [
        (line["loop"], line["sha256"]) for line in by_endpoint
    ]


def test_copies_in_a_transformed_night_are_seen_once(ready, context):
    night = unread(ready, a_night(ready))
    first, *others = (ready.layout.key_of(prediction.image) for prediction in night[:3])
    for key in others:
        source = {"Bucket": ready.bucket, "Key": first}
        ready.s3.copy_object(Bucket=ready.bucket, Key=key, CopySource=source)
    copies = [replace(p, etag=night[0].etag) for p in night[1:3]]
    ready.score([night[0], *copies, *night[3:]])
    result = ready.launch(limit=12, audit_share=0).execute(context)
    ledger = ready.lines(ready.layout.ledger(NIGHT))
    assert result["selected"] == len(ledger) == len({line["sha256"] for line in ledger})
    assert [line["rank"] for line in ledger] == list(range(1, len(ledger) + 1))
    assert sum(line["image"] in {p.image for p in (night[0], *copies)} for line in ledger) == 1


def test_an_image_that_was_replaced_since_it_was_scored_is_not_asked_about(ready, context):
    night = unread(ready, a_night(ready, 3))
    ready.score(night)
    key = ready.layout.key_of(night[0].image)
    ready.s3.put_object(Bucket=ready.bucket, Key=key, Body=b"another picture")
    with pytest.raises(SelectedImageError, match=r"1 of the images .*image-00\.jpg is no longer the version"):
        ready.launch(limit=3).execute(context)
    assert not ReviewRecords(ready.launch().store, ready.layout, NIGHT).has_ledger()
