"""Pipe mode: named pipes that carry one epoch each, as SageMaker feeds them."""

from __future__ import annotations

import io
import json

from include.formats.recordio import MAGIC, frame, read_records


def manifest(s3, bucket, count):
    """Put ``count`` images and an augmented manifest of them; return what its lines hold, in order."""
    lines, pairs = [], []
    for number in range(count):
        image = MAGIC * (number % 3) + f"image {number}".encode()
        s3.put_object(Bucket=bucket, Key=f"images/{number}.jpg", Body=image)
        label = {"annotations": [{"class_id": number}], "note": "é"}
        lines.append(
            json.dumps({"label": label, "extra": 1, "source-ref": f"s3://{bucket}/images/{number}.jpg"})
        )
        pairs.append((image, label))
    s3.put_object(Bucket=bucket, Key="a.manifest", Body=("\n".join(lines) + "\n\n").encode())
    return pairs


def augmented(channel, **members):
    return channel(
        "train",
        "a.manifest",
        S3DataType="AugmentedManifestFile",
        AttributeNames=["source-ref", "label"],
        InputMode="Pipe",
        RecordWrapperType="RecordIO",
        **members,
    )


def epochs_of(files, count):
    epochs = []
    for epoch in range(count):
        found = list(read_records(io.BytesIO(files[f"train_{epoch}"])))
        epochs.append([(found[place], json.loads(found[place + 1])) for place in range(0, len(found), 2)])
    return epochs


def test_an_augmented_manifest_is_one_pipe_per_epoch(
    s3, bucket, sagemaker, training_request, channel, finished, artifact
):
    pairs = manifest(s3, bucket, 9)
    request = training_request({"epochs": "3"}, augmented(channel))
    sagemaker.create_training_job(**request)
    job = finished(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    files = artifact(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert epochs_of(files, 3) == [pairs, pairs, pairs]


def test_a_seed_shuffles_each_epoch_in_the_same_way_every_time(
    s3, bucket, sagemaker, training_request, channel, finished, artifact, name
):
    pairs = manifest(s3, bucket, 12)
    runs = []
    for run in ("a", "b"):
        request = training_request(
            {"epochs": "2"}, augmented(channel, ShuffleConfig={"Seed": 7}), TrainingJobName=f"{name}-{run}"
        )
        sagemaker.create_training_job(**request)
        job = finished(f"{name}-{run}")
        runs.append(epochs_of(artifact(job["ModelArtifacts"]["S3ModelArtifacts"]), 2))
    first, second = runs[0]
    assert runs[0] == runs[1]
    assert first != pairs
    assert first != second

    def in_order(epoch):
        return sorted(epoch, key=lambda pair: pair[1]["annotations"][0]["class_id"])

    assert in_order(first) == in_order(second) == pairs


def test_objects_of_a_prefix_come_as_they_are(
    s3, bucket, sagemaker, training_request, channel, finished, artifact
):
    s3.put_object(Bucket=bucket, Key="rec/1.rec", Body=frame(b"one"))
    s3.put_object(Bucket=bucket, Key="rec/2.rec", Body=frame(b"two") * 2)
    request = training_request(
        {"epochs": "2"}, channel("train", "rec/", InputMode="Pipe", ContentType="application/x-recordio")
    )
    sagemaker.create_training_job(**request)
    files = artifact(finished(request["TrainingJobName"])["ModelArtifacts"]["S3ModelArtifacts"])
    assert files["train_0"] == files["train_1"] == frame(b"one") + frame(b"two") * 2


def test_an_algorithm_that_never_reads_its_pipe_still_ends(
    s3, bucket, sagemaker, training_request, channel, finished
):
    manifest(s3, bucket, 2)
    request = training_request({"epochs": "0"}, augmented(channel))
    sagemaker.create_training_job(**request)
    assert finished(request["TrainingJobName"])["TrainingJobStatus"] == "Completed"
