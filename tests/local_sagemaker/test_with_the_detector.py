"""The real detector under this server: trained from an augmented manifest, continued, served."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image, ImageDraw

from include.formats.detection_record import write_detection_records
from secondlook.failures.job_reasons import reason_passes

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"
SIDE_PX = 96


@pytest.fixture
def manifest(s3, bucket):
    """An augmented manifest of eight pictures with one disc each; its key."""
    lines = []
    for number in range(8):
        left, top, size = 8 + 5 * number, 40 - 4 * number, 28
        picture = Image.new("RGB", (SIDE_PX, SIDE_PX), (230, 220, 225))
        ImageDraw.Draw(picture).ellipse((left, top, left + size, top + size), fill=(180, 40, 60))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG")
        s3.put_object(Bucket=bucket, Key=f"images/{number}.jpg", Body=buffer.getvalue())
        box = {"class_id": 0, "left": left, "top": top, "width": size, "height": size}
        label = {"annotations": [box], "image_size": [{"width": SIDE_PX, "height": SIDE_PX, "depth": 3}]}
        line = {"source-ref": f"s3://{bucket}/images/{number}.jpg", "bounding-box": label}
        lines.append(json.dumps(line))
    s3.put_object(Bucket=bucket, Key="train.manifest", Body="\n".join(lines).encode())
    return "train.manifest"


def pipe(channel, name, key):
    return channel(
        name,
        key,
        S3DataType="AugmentedManifestFile",
        AttributeNames=["source-ref", "bounding-box"],
        InputMode="Pipe",
        RecordWrapperType="RecordIO",
        ContentType="application/x-recordio",
    )


def test_train_continue_and_serve(
    s3, bucket, sagemaker, runtime, training_request, channel, manifest, wait_until, finished, role_arn, name
):
    hyperparameters = {
        "base_network": "slim-ssd",
        "use_pretrained_model": "0",
        "image_shape": "128",
        "num_classes": "1",
        "num_training_samples": "8",
        "epochs": "1",
        "mini_batch_size": "4",
        "optimizer": "adam",
        "learning_rate": "0.003",
    }
    parent = None
    for generation in ("first", "second"):
        channels = [pipe(channel, "train", manifest), pipe(channel, "validation", manifest)]
        if parent is not None:
            key = parent.removeprefix(f"s3://{bucket}/")
            channels.append(
                channel("model", key, InputMode="File", ContentType="application/x-sagemaker-model")
            )
        request = training_request(
            hyperparameters,
            *channels,
            TrainingJobName=f"{name}-{generation}",
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
        )
        sagemaker.create_training_job(**request)
        wait_until(
            lambda job=request["TrainingJobName"]: (
                sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] != "InProgress"
            ),
            120,
        )
        job = finished(request["TrainingJobName"])
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
        assert metrics.keys() == {
            "train:progress",
            "train:smooth_l1",
            "train:cross_entropy",
            "train:throughput",
            "validation:mAP",
        }
        assert metrics["train:progress"] == 100
        parent = job["ModelArtifacts"]["S3ModelArtifacts"]

    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=role_arn, PrimaryContainer={"Image": IMAGE, "ModelDataUrl": parent}
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait_until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating", 60)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    picture = s3.get_object(Bucket=bucket, Key="images/0.jpg")["Body"].read()
    answer = runtime.invoke_endpoint(EndpointName=name, Body=picture, ContentType="image/jpeg")
    for box in json.loads(answer["Body"].read())["prediction"]:
        assert len(box) == 6
    answer = runtime.invoke_endpoint(
        EndpointName=name, Body=picture, ContentType="image/jpeg", Accept="application/json;annotation=1"
    )
    assert json.loads(answer["Body"].read())["image_size"] == [
        {"width": SIDE_PX, "height": SIDE_PX, "depth": 3}
    ]
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName=name, Body=b"no picture", ContentType="image/jpeg")
    assert caught.value.response["OriginalStatusCode"] == 400
    sagemaker.delete_endpoint(EndpointName=name)


def test_boxes_in_pixels_fail_the_job_with_the_cause_as_its_reason(
    s3, bucket, sagemaker, training_request, channel, finished, name
):
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE_PX, SIDE_PX)).save(buffer, "JPEG")
    stream = io.BytesIO()
    write_detection_records([([(0, 10, 20, 60, 90)], buffer.getvalue())] * 8, stream)
    s3.put_object(Bucket=bucket, Key="boxes.rec", Body=stream.getvalue())
    request = training_request(
        {
            "base_network": "slim-ssd",
            "image_shape": "128",
            "num_classes": "1",
            "num_training_samples": "8",
            "mini_batch_size": "4",
        },
        *(
            channel(one, "boxes.rec", InputMode="File", ContentType="application/x-recordio")
            for one in ("train", "validation")
        ),
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    )
    sagemaker.create_training_job(**request)
    job = finished(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert "All boxes of channel train (8) lie outside their image" in job["FailureReason"]
    assert "they look like pixels, but RecordIO takes ratios" in job["FailureReason"]
    # Nobody pays for the same job again.
    assert not reason_passes(job["FailureReason"])
