"""Training: started once, attached to ever after, and never on what will be tested with."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.module_loading import import_string

from include.formats.detection_record import write_detection_records
from secondlook.failures.exceptions import TrainingDataError
from secondlook.failures.explain import fault_of
from secondlook.jobs.failure import JobFailedError
from secondlook.jobs.shared import JobStoppedError
from secondlook.records.evaluation import HoldoutLeakError, NoHoldoutError
from secondlook.runtime.arguments import ArgumentError
from secondlook.training.hyperparameters import HyperparameterError
from tests.support.airflow import TaskInstance
from tests.support.shapes import draw

NIGHT = "2026-11-20"


def sources(project: Any, model: str, channel: str) -> set[str]:
    """The images that a training read in one channel."""
    lines = project.lines(project.layout.training_manifest(model, channel))
    return {line["source-ref"] for line in lines}


def test_too_few_answers_end_the_night_in_peace(ready: Any, context: dict[str, Any]) -> None:
    ready.answer_night(range(3000, 3005))
    with pytest.raises(AirflowSkipException, match=r"There are 5 answers .* training starts at 8"):
        ready.train().execute(context)
    with pytest.raises(AirflowSkipException, match="switched off"):
        ready.train(skip="Training is switched off for this run.").execute(context)


def test_the_same_answers_are_learned_once(ready: Any, context: dict[str, Any]) -> None:
    parent = ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    ready.answer_night(range(3010, 3020), "2026-11-21")
    first = ready.train(control_arm=True).execute(context)
    calls = ready.calls("CreateTrainingJob")
    assert ready.train(control_arm=True).execute(context) == first
    assert ready.calls("CreateTrainingJob") == calls

    card = ready.read(ready.layout.card(first["model"]))
    control = ready.read(ready.layout.card(first["control"]["model"]))
    assert card["parent"] == control["parent"] == parent
    assert [entry["lines"] for entry in card["data"]["manifests"]] == [12, 10]
    assert control["data"]["new_images"] == 0
    lines = {
        model: len(ready.lines(ready.layout.training_manifest(model, "train")))
        for model in (first["model"], first["control"]["model"])
    }
    assert set(lines.values()) == {int(card["hyperparameters"]["num_training_samples"])}
    train = sources(ready, first["model"], "train")
    assert not train & sources(ready, first["model"], "validation")
    # What SageMaker was asked for is what the built-in algorithm needs.
    job = ready.sagemaker.describe_training_job(TrainingJobName=first["model"])
    channels = {channel["ChannelName"]: channel for channel in job["InputDataConfig"]}
    assert channels["train"]["ShuffleConfig"] == {"Seed": 1}
    assert channels["train"]["RecordWrapperType"] == "RecordIO"
    assert channels["model"]["InputMode"] == "File"


def test_answers_that_join_a_learned_night_are_new(ready: Any, context: dict[str, Any]) -> None:
    """Because people were asked about more of its images, or answered late."""
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    ready.answer_night(range(3010, 3020), "2026-11-21")
    first = ready.train().execute(context)["model"]
    ready.promote(first).execute(context)
    with pytest.raises(AirflowSkipException, match="There are 0 answers that the champion has not learned"):
        ready.train().execute(context)
    # Two of the images were learned by the other night's answers, which came later.
    ready.answer_night(range(3000, 3022))
    added = {ready.layout.uri(f"{ready.layout.images(NIGHT)}/shape{seed}.jpg") for seed in range(3020, 3022)}
    with pytest.raises(AirflowSkipException, match="There are 2 answers that the champion has not learned"):
        ready.train().execute(context)
    second = ready.train(min_new_answers=2, control_arm=True).execute(context)
    learned = sources(ready, second["model"], "train") | sources(ready, second["model"], "validation")
    assert added <= learned
    assert not added & sources(ready, second["control"]["model"], "train")
    data = ready.read(ready.layout.card(second["model"]))["data"]
    assert data["new_images"] == len(added & sources(ready, second["model"], "train"))
    assert len(data["learned_manifests"]) == 2
    ready.promote(second["model"]).execute(context)
    with pytest.raises(AirflowSkipException, match="There are 0 answers that the champion has not learned"):
        ready.train().execute(context)


def test_a_failed_job_is_explained_and_the_next_try_starts_a_new_one(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub(exit_code="1", failure="ClientError: the loss became NaN")
    ready.answer_night(range(3000, 3012))
    with pytest.raises(JobFailedError, match="the loss became NaN") as first:
        ready.train().execute(context)
    with pytest.raises(JobFailedError) as second:
        ready.train().execute(context)
    name = str(first.value).split()[3]
    assert f" {name}-2 " in str(second.value)


async def test_clearing_a_deferred_training_stops_its_job(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub(sleep_seconds="60")
    ready.answer_night(range(3000, 3012))
    with pytest.raises(TaskDeferred) as deferred:
        ready.train(deferrable=True).execute(context)
    classpath, arguments = deferred.value.trigger.serialize()
    trigger = import_string(classpath)(**arguments)
    await trigger.on_kill()
    events = [event.payload async for event in trigger.run()]
    with pytest.raises(JobFailedError, match="ended as Stopped, not Completed"):
        ready.train().execute_complete(context, event=events[0])


def test_killing_a_waiting_training_stops_its_job(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub(sleep_seconds="60")
    ready.answer_night(range(3000, 3012))
    operator = ready.train()
    errors: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute(context)
        except JobStoppedError as error:
            errors.append(error)

    worker = threading.Thread(target=execute)
    waiting = threading.Event()
    operator.pause = lambda seconds: waiting.set() or time.sleep(seconds)
    worker.start()
    assert waiting.wait(timeout=60)
    operator.on_kill()
    worker.join(timeout=60)
    assert "This task was killed" in str(errors[0])


def test_a_retry_waits_for_the_running_job_although_more_answers_came(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub(sleep_seconds="3")
    ready.answer_night(range(3000, 3012))
    with pytest.raises(TaskDeferred) as deferred:
        ready.train(deferrable=True).execute(context)
    name = deferred.value.trigger.names[0]
    ready.answer_night(range(3012, 3024), "2026-11-21")
    assert ready.train().execute(context)["model"] == name


def test_what_the_algorithm_would_refuse_late_is_refused_early(ready: Any, context: dict[str, Any]) -> None:
    ready.answer_night(range(3000, 3012))
    with pytest.raises(TrainingDataError, match="base_network is resnet-50, but the parent"):
        ready.train(hyperparameters={"base_network": "resnet-50"}).execute(context)
    with pytest.raises(TrainingDataError, match="at least one batch of 512"):
        ready.train(hyperparameters={"mini_batch_size": 512}).execute(context)


def test_hyperparameters_are_checked_before_any_job_is_made(ready: Any, context: dict[str, Any]) -> None:
    ready.answer_night(range(3000, 3012))
    jobs = ready.calls("CreateTrainingJob")
    for given, sentence in (
        ({"epochs": 10.0}, r"^Task train: training\.hyperparameters\.epochs = 10\.0: .*; write 10\.$"),
        ({"epoch": 3}, r"^Task train: training\.hyperparameters\.epoch is no .*: did you mean epochs\?$"),
        ({"num_classes": "2"}, r"hyperparameters\.num_classes is the number of labels and cannot be set"),
    ):
        with pytest.raises(HyperparameterError, match=sentence) as caught:
            ready.train(hyperparameters=given).execute(context)
        assert not fault_of(caught.value).passing
    with pytest.raises(
        ArgumentError,
        match="training cannot be used: hyperparameters = 'epochs=3': input should be a valid dict",
    ):
        ready.train(hyperparameters="epochs=3")
    # A night's training validates with the bootstrap's 13 images and a share of its own.
    with pytest.raises(TrainingDataError, match=r"There are 13 validation images .* batch of 20: .* mini_"):
        ready.train(min_new_answers=1, validation_share=0, hyperparameters={"mini_batch_size": 20}).execute(
            context
        )
    assert ready.calls("CreateTrainingJob") == jobs


def test_boxes_that_cannot_be_right_fail_the_training_at_the_first_try(
    project: Any, context: dict[str, Any]
) -> None:
    """A .rec in pixels once trained to a model that finds nothing, and was Completed."""
    project.upload_voc(project.layout.bootstrap_voc(), range(48))
    project.pack().execute(context)
    picture = draw(1)
    stream = io.BytesIO()
    left, top, width, height = picture.boxes[0][1:]
    write_detection_records([([(0, left, top, left + width, top + height)], picture.data)] * 38, stream)
    project.put(project.layout.bootstrap_recordio("train"), stream.getvalue())
    with pytest.raises(JobFailedError, match="they look like pixels, but RecordIO takes ratios") as caught:
        project.bootstrap().execute(context)
    assert not fault_of(caught.value).passing


def test_a_holdout_image_is_never_trained_on_and_a_leak_is_refused(
    ready: Any, context: dict[str, Any]
) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    holdout = ready.layout.holdout_manifest("v1")
    leaked = ready.lines(ready.layout.reviewed_manifest(NIGHT))[0]
    ready.put(holdout, ready.get(holdout) + json.dumps({**leaked, "slice": "clean"}).encode() + b"\n")
    trained = ready.train().execute(context)
    manifest = ready.lines(ready.layout.training_manifest(trained["model"], "train"))
    assert leaked["source-ref"] not in {line["source-ref"] for line in manifest}

    seen = manifest[0]
    ready.put(holdout, ready.get(holdout) + json.dumps({**seen, "slice": "clean"}).encode() + b"\n")
    with pytest.raises(HoldoutLeakError, match=r"was trained on 1 images of the holdout v1"):
        ready.evaluate(trained["model"]).execute(context)


def test_without_a_holdout_nothing_is_promoted(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    trained = ready.train(holdout_version="v2").execute(context)
    with pytest.raises(NoHoldoutError, match="There is no holdout at"):
        ready.evaluate(trained["model"], holdout_version="v2").execute(context)


def test_promotion_is_compare_and_swap(ready: Any, context: dict[str, Any]) -> None:
    ready.train_with_stub()
    ready.answer_night(range(3000, 3012))
    first = ready.train().execute(context)["model"]
    ready.answer_night(range(3012, 3024), "2026-11-21")
    # A night that waits no longer for the first one's verdict.
    second = ready.train(challenger_timeout_seconds=0).execute({"ti": TaskInstance()})["model"]
    assert first != second
    assert ready.promote(first).execute(context) == {"champion": first, "version": 2}
    # A retry finds the pointer as it wants it.
    assert ready.promote(first).execute(context) == {"champion": first, "version": 2}
    assert ready.read(ready.layout.card(first))["verdict"]["promoted_as_version"] == 2
    # The other challenger was measured against a model that is no longer the champion.
    with pytest.raises(AirflowSkipException, match=f"the champion is now {first}: nothing is promoted"):
        ready.promote(second).execute(context)
    with pytest.raises(AirflowSkipException, match=f"the champion is now {first}: nothing is compared"):
        ready.evaluate(second).execute(context)
    # Bootstrapping again does not dethrone it either, unless asked to.
    third = {"model": second}
    with pytest.raises(AirflowSkipException, match=f"{first} is champion already"):
        ready.publish(**third).execute(context)
    assert ready.publish(**third, replace=True).execute(context) == {"champion": second, "version": 3}
