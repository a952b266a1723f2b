"""Scoring by batch transform: the same parts as by endpoint, whatever the model refuses and whoever dies."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from botocore.client import BaseClient
from PIL import Image

from secondlook.hooks.night_transform import NightChangedError
from secondlook.hooks.predictions import NoImagesError, ScoringContradictionError
from secondlook.hooks.sagemaker_jobs import SageMakerJobs
from secondlook.operators.base import ArgumentError
from secondlook.operators.score_archive import OutputMissingError
from secondlook.operators.waiting import JobFailedError
from tests.operators.shapes import draw

NIGHT = "2026-11-20"
# What the stub takes for an image; a steering word behind it decides about its answer.
JPEG = b"\xff\xd8\xff"


def parts(project: Any, model: str) -> dict[str, bytes]:
    return {key: project.get(key) for key in project.keys(f"{project.layout.predictions(NIGHT, model)}/part")}


def quarantined(project: Any, model: str) -> dict[str, dict[str, Any]]:
    lines = project.lines(project.layout.quarantine(NIGHT, model))
    return {line["image"].rsplit("/", 1)[1]: line for line in lines}


def put_stub_night(project: Any, **bodies: bytes) -> None:
    """Images ``a.jpg``, ``b.jpg``, ... for the stub algorithm."""
    project.serve_with_stub()
    for name, body in bodies.items():
        project.put(f"{project.layout.images(NIGHT)}/{name}.jpg", JPEG + body)


def test_a_transform_and_an_endpoint_write_the_same_bytes(ready: Any, context: dict[str, Any]) -> None:
    layout, folder = ready.layout, ready.layout.images(NIGHT)
    ready.upload_night(range(5000, 5012))
    good = ready.get(f"{folder}/shape5000.jpg")
    buffer = io.BytesIO()
    Image.open(io.BytesIO(good)).convert("L").save(buffer, "PNG")
    ready.put(f"{folder}/a-grey.png", buffer.getvalue())
    ready.put(f"{folder}/c-cut.jpg", good[: len(good) // 3])
    ready.put(f"{folder}/d-text.jpg", b"Dear nurse, please find attached the pictures.")
    ready.put(f"{folder}/e-empty.jpg", b"")
    ready.put(f"{folder}/f-large.jpg", good + bytes(6 * 1024 * 1024))
    ready.put(f"{folder}/g-odd name %20+ü.jpg", good)
    ready.put(f"{folder}/slide 7/g.jpg", good)
    shards = ready.plan(shard_size=8, part_size=4).execute(context)
    assert context["ti"].xcoms["scoring"] == "endpoint"
    assert len(shards) == 3

    model = ready.deploy().execute(context)["model"]
    for shard in shards:
        ready.score(model, shard=shard, part_size=4).execute(context)
    by_endpoint = ready.scored(model, shards=shards, part_size=4).execute(context)
    parts_by_endpoint, refused_by_endpoint = parts(ready, model), quarantined(ready, model)
    for key in ready.keys(layout.predictions(NIGHT, model)):
        ready.s3.delete_object(Bucket=ready.bucket, Key=key)

    invoked, jobs = ready.calls("InvokeEndpoint"), ready.calls("CreateTransformJob")
    archived = ready.score_archive(shards=shards, part_size=4).execute(context)
    assert archived == {"model": model, "images": 19, "scored": 15, "quarantined": 4}
    by_transform = ready.scored(model, shards=shards, part_size=4).execute(context)

    assert by_transform == by_endpoint
    assert parts(ready, model) == parts_by_endpoint
    assert len(parts_by_endpoint) == 5
    refused = quarantined(ready, model)
    cut, cut_by_endpoint = refused.pop("c-cut.jpg"), refused_by_endpoint.pop("c-cut.jpg")
    assert refused == refused_by_endpoint
    assert set(refused) == {"d-text.jpg", "e-empty.jpg", "f-large.jpg"}
    # The container's own words are in the job's log; the reason names the job.
    assert cut["code"] == cut_by_endpoint["code"] == "unreadable"
    assert "got no answer from the model in two batch transforms" in cut["reason"]
    assert ready.calls("InvokeEndpoint") == invoked
    assert ready.calls("CreateTransformJob") == jobs + 2

    # A clear: everything is there.
    assert ready.score_archive(shards=shards, part_size=4).execute(context) == archived
    assert ready.calls("CreateTransformJob") == jobs + 2
    assert parts(ready, model) == parts_by_endpoint


def test_what_the_job_left_out_is_asked_once_more_before_the_image_is_blamed(
    project: Any, context: dict[str, Any]
) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine", d=b"status 422 ", e=b"fine")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive(part_size=2).execute(context)
    # The stub's answers are no detections: quarantined as by endpoint, and only once asked about.
    assert (archived["images"], archived["quarantined"]) == (5, 5)
    assert project.calls("CreateTransformJob") == jobs + 2
    assert project.scored("stub", part_size=2).execute(context)["images"] == 5
    codes = {name: line["code"] for name, line in quarantined(project, "stub").items()}
    assert codes == {
        "a.jpg": "model-error",
        "b.jpg": "unreadable",
        "c.jpg": "model-error",
        "d.jpg": "unreadable",
        "e.jpg": "model-error",
    }


def put_picture(project: Any, name: str, word: bytes) -> None:
    """A picture that decodes, with a steering word for the stub in its comment."""
    comment = b"\xff\xfe" + (len(word) + 2).to_bytes(2, "big") + word
    data = draw(1).data
    project.put(f"{project.layout.images(NIGHT)}/{name}.jpg", data[:2] + comment + data[2:])


def test_a_night_of_which_nothing_decodes_is_quarantined(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"status 400 ", b=b"status 400 ")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive().execute(context)
    assert (archived["images"], archived["quarantined"]) == (2, 2)
    assert project.calls("CreateTransformJob") == jobs + 1
    project.scored("stub").execute(context)
    refused = quarantined(project, "stub")
    assert {line["code"] for line in refused.values()} == {"unreadable"}
    assert "a.jpg cannot be decoded, by the model and here" in refused["a.jpg"]["reason"]


def test_a_job_without_any_output_blames_no_image(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"status 500 ")
    put_picture(project, "b", b"status 500 ")
    with pytest.raises(JobFailedError, match="2 of 2 objects could not be transformed"):
        project.score_archive().execute(context)
    assert parts(project, "stub") == {}
    jobs = project.calls("CreateTransformJob")

    # Cleared: a new job under the next name; mended images make another night of it, with another name.
    with pytest.raises(JobFailedError, match=r"second-look-archive-[0-9a-f]{12}-2 ended as Failed"):
        project.score_archive().execute(context)
    put_stub_night(project, a=b"fine", b=b"fine")
    assert project.score_archive().execute(context)["images"] == 2
    assert project.calls("CreateTransformJob") == jobs + 2


def outputs(project: Any) -> list[str]:
    return [key for key in project.keys(f"{project.prefix}/transforms/{NIGHT}/") if key.endswith(".out")]


def stop_after_the_first_output(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Score the night until there is an output; returns the keys of those that are there."""
    operator = project.score_archive(part_size=4, max_concurrent_transforms=1, poll_interval_seconds=0.01)
    describe = operator.sagemaker.job

    def describe_and_stop(kind: Any, name: str) -> Any:
        if outputs(project):
            operator.sagemaker.stop_job(kind, name)
        return describe(kind, name)

    monkeypatch.setattr(operator.sagemaker, "job", describe_and_stop)
    with pytest.raises(JobFailedError, match="ended as Stopped"):
        operator.execute(context)
    return outputs(project)


def test_a_stopped_job_is_no_success_and_the_next_try_asks_for_what_is_missing(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, **{f"i{number:02d}": b"fine" for number in range(30)})
    done = stop_after_the_first_output(project, context, monkeypatch)
    assert 0 < len(done) < 30
    before = {key: project.s3.head_object(Bucket=project.bucket, Key=key)["LastModified"] for key in done}

    assert project.score_archive(part_size=4).execute(context)["images"] == 30
    after = {key: project.s3.head_object(Bucket=project.bucket, Key=key)["LastModified"] for key in done}
    assert after == before
    # One image of the first job was asked about twice.
    assert len(outputs(project)) == 31
    assert project.scored("stub", part_size=4).execute(context)["images"] == 30


def codes(project: Any, part_size: int = 500) -> dict[str, int]:
    """How many images of the scored night are quarantined, by code."""
    project.scored("stub", part_size=part_size).execute({})
    return dict(Counter(line["code"] for line in quarantined(project, "stub").values()))


def test_after_a_stop_a_job_that_fails_by_itself_blames_no_image(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, **{f"i{number:02d}": b"fine" for number in range(30)})
    assert 0 < len(stop_after_the_first_output(project, context, monkeypatch)) < 30
    finished = parts(project, "stub")
    project.put("stub/model.tar.gz", b"no archive")
    for _ in range(3):  # however often it is cleared
        with pytest.raises(JobFailedError, match="ended as Failed"):
            project.score_archive(part_size=4).execute(context)
        assert parts(project, "stub") == finished

    project.upload_artifact()
    assert project.score_archive(part_size=4).execute(context)["images"] == 30
    # All were answered: what the stub answers is no detection.
    assert codes(project, part_size=4) == {"model-error": 30}


def test_after_a_refusal_a_job_that_fails_by_itself_blames_no_image(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine")
    operator = project.score_archive()
    start, started = operator.sagemaker.start_transform, []

    def start_without_model(spec: Any, name: str) -> None:
        if started:
            project.put("stub/model.tar.gz", b"no archive")
        started.append(name)
        start(spec, name)

    monkeypatch.setattr(operator.sagemaker, "start_transform", start_without_model)
    with pytest.raises(JobFailedError, match="ended as Failed"):
        operator.execute(context)
    assert len(started) == 2
    assert parts(project, "stub") == {}

    # With its model back, the same round is tried again.
    project.upload_artifact()
    jobs = project.calls("CreateTransformJob")
    project.score_archive().execute(context)
    assert project.calls("CreateTransformJob") == jobs + 1
    assert codes(project) == {"model-error": 2, "unreadable": 1}


def test_a_stopped_round_is_no_refusal(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", **{f"z{number:02d}": b"status 400 " for number in range(40)})
    stop_after_the_first_output(project, context, monkeypatch)
    jobs = project.calls("CreateTransformJob")
    project.score_archive(part_size=4).execute(context)
    assert project.calls("CreateTransformJob") == jobs + 2
    assert codes(project, part_size=4) == {"model-error": 1, "unreadable": 40}


def test_a_round_without_capacity_is_no_refusal(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ")
    describe, started = SageMakerJobs.job, []

    def describe_the_second_otherwise(jobs: Any, kind: Any, name: str) -> Any:
        job = describe(jobs, kind, name)
        if job is not None and name not in started:
            started.append(name)
        if job is None or job.status != "Failed" or started.index(name) != 1:
            return job
        return replace(job, failure_reason="CapacityError: Unable to provision requested ML compute capacity")

    monkeypatch.setattr(SageMakerJobs, "job", describe_the_second_otherwise)
    with pytest.raises(JobFailedError, match="this passes, the next try starts it anew") as caught:
        project.score_archive().execute(context)
    assert caught.value.passing
    assert len(started) == 2
    assert parts(project, "stub") == {}

    project.score_archive().execute(context)
    assert started[2:] == [f"{started[1]}-2"]
    assert codes(project) == {"model-error": 1, "unreadable": 1}


def test_a_kill_after_each_write_costs_no_further_job(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine")
    call, written = BaseClient._make_api_call, []

    def call_and_die(client: Any, operation: str, params: Any) -> Any:
        answer = call(client, operation, params)
        write = params.get("Key") or params.get("TransformJobName")
        if operation in {"PutObject", "CreateTransformJob"} and write not in written:
            written.append(write)
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call_and_die)
        for _ in range(50):
            with suppress(KeyboardInterrupt):
                project.score_archive(part_size=2).execute(context)
                break
    # Two manifests and two jobs with their users' records, two parts with what is quarantined of each.
    assert len(written) == 10
    assert codes(project, part_size=2) == {"model-error": 2, "unreadable": 1}


def test_images_whose_outputs_were_deleted_are_not_blamed(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine")
    project.score_archive().execute(context)
    for key in [*outputs(project), *project.keys(project.layout.predictions(NIGHT, "stub"))]:
        project.s3.delete_object(Bucket=project.bucket, Key=key)
    with pytest.raises(OutputMissingError, match=r"no output of s3://.*/a\.jpg: restore its output"):
        project.score_archive().execute(context)
    assert parts(project, "stub") == {}


def test_a_folder_of_images_may_be_called_like_the_nights(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, b=b"fine", c=b"status 400 ")
    for folder in (NIGHT, f"images/{NIGHT}", f"{NIGHT}/{NIGHT}"):
        project.put(f"{project.layout.images(NIGHT)}/{folder}/b.jpg", JPEG + b"fine")
    archived = project.score_archive().execute(context)
    assert archived["images"] == 5
    project.scored("stub").execute(context)
    lines = project.lines(project.layout.quarantine(NIGHT, "stub"))
    assert [line["code"] for line in lines] == [*["model-error"] * 3, "unreadable", "model-error"]


def test_a_try_that_dies_while_it_waits_is_followed_by_one_that_attaches(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, **{f"i{number:02d}": b"fine" for number in range(12)})
    jobs = project.calls("CreateTransformJob")
    operator = project.score_archive()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(operator, "wait_for_jobs", die)
    with pytest.raises(KeyboardInterrupt):
        operator.execute(context)
    # There is another champion meanwhile: the job that runs is paid for, and is waited for.
    running = project.get(project.layout.champion())
    project.put(project.layout.champion(), running.replace(b'"stub"', b'"other"'))
    assert project.score_archive().execute(context)["model"] in {"stub", "other"}
    # A second run of the same night.
    project.put(project.layout.champion(), running)
    assert project.score_archive().execute({**context, "task_state_store": None})["model"] == "stub"
    names = [
        job["TransformJobName"]
        for job in project.sagemaker.list_transform_jobs(NameContains="archive", MaxResults=100)[
            "TransformJobSummaries"
        ]
    ]
    assert len(names) == len(set(names))
    assert project.calls("CreateTransformJob") <= jobs + 3


def test_images_that_change_during_the_transform_are_transformed_again(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", b=b"fine")
    operator = project.score_archive()
    wait = operator.wait_for_jobs

    def replace_and_wait(*arguments: Any) -> Any:
        put_stub_night(project, b=b"another picture")
        return wait(*arguments)

    monkeypatch.setattr(operator, "wait_for_jobs", replace_and_wait)
    with pytest.raises(NightChangedError, match="have changed since their batch transform began"):
        operator.execute(context)
    assert parts(project, "stub") == {}
    assert project.score_archive().execute(context)["images"] == 2
    assert project.scored("stub").execute(context)["images"] == 2


def test_a_night_without_images_and_a_run_by_endpoint(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    with pytest.raises(NoImagesError, match="clear this task"):
        project.score_archive().execute(context)
    with pytest.raises(NoImagesError, match="clear this task"):
        project.plan().execute(context)
    with pytest.raises(AirflowSkipException, match="There are no images at"):
        project.plan().execute({**context, "dag_run": SimpleNamespace(run_type="backfill")})
    with pytest.raises(AirflowSkipException, match="scored by the endpoint"):
        project.score_archive(enabled=False).execute(context)
    with pytest.raises(ArgumentError, match="max_concurrent_transforms = 17"):
        project.score_archive(max_concurrent_transforms=17)


def test_a_night_of_text_files_needs_no_job(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    project.put(f"{project.layout.images(NIGHT)}/readme.txt", b"nothing to see here")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive().execute(context)
    assert archived == {"model": "stub", "images": 1, "scored": 0, "quarantined": 1}
    assert project.scored("stub").execute(context)["quarantined"] == 1
    assert project.calls("CreateTransformJob") == jobs


@pytest.mark.parametrize(
    ("run_type", "scoring", "way"),
    [
        ("scheduled", "auto", "endpoint"),
        ("manual", "auto", "endpoint"),
        ("backfill", "auto", "transform"),
        ("backfill", "endpoint", "transform"),
        ("manual", "transform", "transform"),
    ],
)
def test_the_plan_chooses_how_a_night_is_scored(
    project: Any, context: dict[str, Any], run_type: str, scoring: str, way: str
) -> None:
    project.put(f"{project.layout.images(NIGHT)}/a.jpg", JPEG)
    context["dag_run"].run_type = run_type
    (shard,) = project.plan(scoring=scoring).execute(context)
    assert shard == {"shard": 0, "after": None, "until": None, "first_part": 0, "parts": 1}
    assert context["ti"].xcoms == {"scoring": way}
    with pytest.raises(ArgumentError, match="none of auto, endpoint and transform"):
        project.plan(scoring="sometimes")


def test_airflow_never_gets_more_shards_than_it_maps_over(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        project.put(f"{project.layout.images(NIGHT)}/{number:02d}.jpg", JPEG)
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    shards = project.plan(shard_size=2, part_size=2).execute(context)
    assert [(shard["first_part"], shard["parts"]) for shard in shards] == [(0, 4), (4, 4), (8, 2)]


def test_an_old_night_deploys_nothing(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    context["dag_run"].run_type = "backfill"
    with pytest.raises(AirflowSkipException, match="the next scheduled night puts the champion into service"):
        project.deploy(in_backfill=False).execute(context)
    with pytest.raises(AirflowSkipException, match="needs no endpoint"):
        project.deploy(enabled=False).execute(context)
    with pytest.raises(project.sagemaker.exceptions.ClientError, match="Could not find endpoint"):
        project.sagemaker.describe_endpoint(EndpointName=project.endpoint)


def test_the_join_names_the_image_that_contradicts(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"fine", b=b"fine", c=b"fine", d=b"fine")
    folder, place = project.layout.images(NIGHT), project.layout.predictions(NIGHT, "stub")
    shards = project.plan(shard_size=2, part_size=2).execute(context)
    assert len(shards) == 2

    def contradiction(name: str, what: str) -> None:
        join = project.scored("stub", shards=shards, part_size=2)
        with pytest.raises(ScoringContradictionError, match=f"{name}.jpg {what} .*clear the task"):
            join.execute(context)

    contradiction("a", "is in no part")
    project.score_archive(shards=shards, part_size=2).execute(context)
    assert project.scored("stub", shards=shards, part_size=2).execute(context)["images"] == 4

    project.put(f"{folder}/bb.jpg", JPEG + b"late")
    contradiction("bb", "is missing")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/bb.jpg")
    project.put(f"{folder}/b.jpg", JPEG + b"another")
    contradiction("b", "stands there in another version")
    project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/b.jpg")
    contradiction("b", "does not belong")
    refused = project.get(f"{place}/quarantine/part-00001.jsonl")
    project.put(f"{place}/quarantine/part-00001.jsonl", refused + refused)
    put_stub_night(project, b=b"fine")
    contradiction("c", "stands twice")

    # A night that has shrunk leaves no stale part behind.
    for name in ("c", "d"):
        project.s3.delete_object(Bucket=project.bucket, Key=f"{folder}/{name}.jpg")
    assert project.scored("stub", shards=shards, part_size=2).execute(context)["images"] == 2
    assert list(parts(project, "stub")) == [f"{place}/part-00000.jsonl.gz"]
    assert project.keys(f"{place}/quarantine/") == [f"{place}/quarantine/part-00000.jsonl"]
