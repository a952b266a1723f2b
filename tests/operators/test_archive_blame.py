"""When a batch transform leaves an image out: asked again, and blamed by evidence only."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.client import BaseClient

from secondlook.hooks.sagemaker_jobs import SageMakerJobs
from secondlook.jobs.failure import JobFailedError
from secondlook.jobs.night_waves import OutputMissingError
from secondlook.operators.scored import NothingScoredError
from tests.operators.archive import NIGHT, parts, picture, put_stub_night, quarantined


def test_what_the_job_left_out_is_asked_once_more_before_the_image_is_blamed(
    project: Any, context: dict[str, Any]
) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine", d=b"status 422 ", e=b"fine")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive(part_size=2).execute(context)
    assert (archived["images"], archived["quarantined"]) == (5, 2)
    assert project.calls("CreateTransformJob") == jobs + 2
    assert project.scored("stub", part_size=2).execute(context)["images"] == 5
    codes = {name: line["code"] for name, line in quarantined(project, "stub").items()}
    assert codes == {"b.jpg": "unreadable", "d.jpg": "unreadable"}


def test_a_night_of_which_nothing_decodes_is_quarantined(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"status 400 ", b=b"status 400 ")
    jobs = project.calls("CreateTransformJob")
    archived = project.score_archive().execute(context)
    assert (archived["images"], archived["quarantined"]) == (2, 2)
    assert project.calls("CreateTransformJob") == jobs + 1
    with pytest.raises(NothingScoredError, match="None of the 2 files"):
        project.scored("stub").execute(context)
    refused = quarantined(project, "stub")
    assert {line["code"] for line in refused.values()} == {"unreadable"}
    assert "a.jpg cannot be decoded, by the model and here" in refused["a.jpg"]["reason"]


def test_a_job_without_any_output_blames_no_image(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"status 500 ")
    project.put(f"{project.layout.images(NIGHT)}/b.jpg", picture(b"status 500 "))
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
    assert codes(project, part_size=4) == {}


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
    assert codes(project) == {"unreadable": 1}


def test_a_stopped_round_is_no_refusal(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stub_night(project, a=b"fine", **{f"z{number:02d}": b"status 400 " for number in range(40)})
    stop_after_the_first_output(project, context, monkeypatch)
    jobs = project.calls("CreateTransformJob")
    project.score_archive(part_size=4).execute(context)
    assert project.calls("CreateTransformJob") == jobs + 2
    assert codes(project, part_size=4) == {"unreadable": 40}


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
    with pytest.raises(JobFailedError, match="this passes, the next try starts another") as caught:
        project.score_archive().execute(context)
    assert caught.value.passing
    assert len(started) == 2
    assert parts(project, "stub") == {}

    project.score_archive().execute(context)
    assert started[2:] == [f"{started[1]}-2"]
    assert codes(project) == {"unreadable": 1}


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
    assert codes(project, part_size=2) == {"unreadable": 1}


def test_images_whose_outputs_were_deleted_are_not_blamed(project: Any, context: dict[str, Any]) -> None:
    put_stub_night(project, a=b"fine", b=b"status 400 ", c=b"fine")
    project.score_archive().execute(context)
    for key in [*outputs(project), *project.keys(project.layout.predictions(NIGHT, "stub"))]:
        project.s3.delete_object(Bucket=project.bucket, Key=key)
    with pytest.raises(OutputMissingError, match=r"no output of s3://.*/a\.jpg: restore its output"):
        project.score_archive().execute(context)
    assert parts(project, "stub") == {}
