"""Scoring a night: every image ends in exactly one place, and nothing is scored twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from secondlook.failures.explain import fault_of
from secondlook.hooks.s3 import StoredObject
from secondlook.jobs.served_config import OtherModelServedError
from secondlook.records.predictions import NoImagesError
from secondlook.runtime.arguments import ArgumentError
from secondlook.scoring.answers import EndpointUnavailableError
from secondlook.scoring.image_scorer import ImageScorer
from tests.operators.archive import picture
from tests.support.aws import STUB_IMAGE
from tests.support.shapes import draw

NIGHT = "2026-11-20"


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_every_image_is_scored_or_quarantined_with_a_reason(ready: Any, context: dict[str, Any]) -> None:
    layout = ready.layout
    model = ready.deploy().execute(context)["model"]
    ready.upload_night(range(5000, 5006))
    folder = layout.images(NIGHT)
    good = ready.get(f"{folder}/shape5000.jpg")
    picture = Image.open(io.BytesIO(good))
    exif = Image.Exif()
    exif[0x0112] = 6
    ready.put(f"{folder}/a-grey.png", encoded(picture.convert("L"), "PNG"))
    ready.put(f"{folder}/b-turned.jpg", encoded(picture.resize((120, 80)), "JPEG", exif=exif))
    ready.put(f"{folder}/c-cut.jpg", good[: len(good) // 3])
    ready.put(f"{folder}/d-text.jpg", b"Dear nurse, please find attached the pictures.")
    ready.put(f"{folder}/e-empty.jpg", b"")
    ready.put(f"{folder}/f-large.jpg", good + bytes(6 * 1024 * 1024))
    ready.put(f"{folder}/g-odd name %20+ü.jpg", good)

    result = ready.score(model, part_size=5).execute(context)

    assert (result["images"], result["scored"], result["quarantined"]) == (13, 9, 4)
    parts = [key for key in ready.keys(layout.predictions(NIGHT, model)) if key.endswith(".jsonl.gz")]
    scored = [line for key in parts for line in ready.lines(key)]
    refused = {line["image"].rsplit("/", 1)[1]: line for line in ready.lines(layout.quarantine(NIGHT, model))}
    images = {layout.uri(key) for key in ready.keys(folder + "/")}
    accounted_for = [line["image"] for line in (*scored, *refused.values())]
    assert sorted(accounted_for) == sorted(images)
    assert {name: line["code"] for name, line in refused.items()} == {
        "c-cut.jpg": "unreadable",
        "d-text.jpg": "not-an-image",
        "e-empty.jpg": "empty-file",
        "f-large.jpg": "too-large",
    }
    assert all(len(line["reason"]) > 20 for line in refused.values())
    assert refused["c-cut.jpg"]["reason"] == "The image cannot be decoded: the file is cut short."
    turned = next(line for line in scored if line["image"].endswith("b-turned.jpg"))
    assert (turned["width"], turned["height"]) == (120, 80)
    assert any(line["detections"] for line in scored)
    assert json.loads(ready.get(layout.predictions_summary(NIGHT, model))) == result


def test_a_finished_part_is_never_scored_again(project: Any, context: dict[str, Any]) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    project.upload_night(range(10))
    first = project.score("stub", part_size=4).execute(context)
    keys = project.keys(project.layout.predictions(NIGHT, "stub"))
    before = {key: project.get(key) for key in keys}
    calls = project.calls("InvokeEndpoint")

    assert project.score("stub", part_size=4).execute(context) == first
    assert project.calls("InvokeEndpoint") == calls
    assert {key: project.get(key) for key in keys} == before

    # One image is replaced: its part of four is scored again, the others are not.
    project.put(f"{project.layout.images(NIGHT)}/shape0000.jpg", draw(77).data)
    project.score("stub", part_size=4).execute(context)
    assert project.calls("InvokeEndpoint") == calls + 4

    # Larger parts: the old third part must not stay and count its images twice.
    project.score("stub", part_size=8).execute(context)
    parts = [key for key in project.keys(project.layout.predictions(NIGHT, "stub")) if key.endswith(".gz")]
    assert len(parts) == 2


def test_an_endpoint_out_of_order_blames_no_image_and_keeps_what_is_done(
    project: Any, context: dict[str, Any]
) -> None:
    project.serve_with_stub()
    project.deploy().execute(context)
    folder = project.layout.images(NIGHT)
    for name in "abcd":
        project.put(f"{folder}/{name}.jpg", picture())
    project.put(f"{folder}/e.jpg", picture(b"status 429 "))
    with pytest.raises(EndpointUnavailableError, match="finished parts are kept") as caught:
        project.score("stub", part_size=2).execute(context)
    assert fault_of(caught.value).passing
    calls = project.calls("InvokeEndpoint")

    project.put(f"{folder}/e.jpg", picture())
    assert project.score("stub", part_size=2).execute(context)["images"] == 5
    assert project.calls("InvokeEndpoint") == calls + 1


def test_while_another_model_answers_nothing_is_written(
    project: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.serve_with_stub("first")
    first = project.deploy().execute(context)
    project.upload_night(range(6))
    folder = project.layout.images(NIGHT)
    score = ImageScorer.score

    def deployed_meanwhile(scorer: ImageScorer, item: StoredObject) -> Any:
        # Another run promotes and deploys between the images of the second part.
        if item.key == f"{folder}/shape0003.jpg":
            project.serve_with_stub("second")
            project.deploy().execute(context)
        return score(scorer, item)

    def operator() -> Any:
        return project.score("first", endpoint_config=first["endpoint_config"], part_size=2, concurrency=1)

    monkeypatch.setattr(ImageScorer, "score", deployed_meanwhile)
    with pytest.raises(OtherModelServedError, match="Clear `deploy` and what follows") as caught:
        operator().execute(context)
    assert not caught.value.passing
    parts = [key for key in project.keys(project.layout.predictions(NIGHT, "first")) if key.endswith(".gz")]
    assert parts == [project.layout.prediction_part(NIGHT, "first", 0)]
    # The next try finds the same, and sends the endpoint nothing.
    calls = project.calls("InvokeEndpoint")
    with pytest.raises(OtherModelServedError):
        operator().execute(context)
    assert project.calls("InvokeEndpoint") == calls
    # What the sentence advises.
    second = project.deploy().execute(context)
    scored = project.score("second", endpoint_config=second["endpoint_config"]).execute(context)
    assert (scored["model"], scored["images"]) == ("second", 6)


def test_while_an_update_is_under_way_nothing_is_scored(
    project: Any, context: dict[str, Any], tmp_path: Path, wait_until: Any
) -> None:
    project.serve_with_stub()
    night = project.deploy().execute(context)["endpoint_config"]
    project.upload_night(range(2))
    held, sagemaker, name = tmp_path / "held", project.sagemaker, f"{project.endpoint}-held"
    held.touch()
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=project.role_arn,
        PrimaryContainer={
            "Image": STUB_IMAGE,
            "ModelDataUrl": project.upload_artifact(),
            "Environment": {"STUB_NOT_READY_WHILE": str(held)},
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.xlarge"}]
    )
    sagemaker.update_endpoint(EndpointName=project.endpoint, EndpointConfigName=name)
    operator = project.score("stub", endpoint_config=night)
    with pytest.raises(OtherModelServedError, match=f"from the night.s {night} to {name}") as caught:
        operator.execute(context)
    assert caught.value.passing

    held.unlink()
    wait_until(
        lambda: sagemaker.describe_endpoint(EndpointName=project.endpoint)["EndpointStatus"] == "InService"
    )
    with pytest.raises(OtherModelServedError, match=f"serves {name} now") as caught:
        operator.execute(context)
    assert not caught.value.passing
    assert not project.keys(project.layout.predictions(NIGHT, "stub"))


def test_a_night_without_images_says_where_they_belong(project: Any, context: dict[str, Any]) -> None:
    with pytest.raises(NoImagesError, match=f"no images at s3://{project.bucket}/shapes/images/{NIGHT}/"):
        project.score("stub").execute(context)


def test_a_night_that_is_no_date_is_found_when_the_dag_is_parsed(project: Any) -> None:
    with pytest.raises(ArgumentError, match="night = 'yesterday'"):
        project.score("stub", night="yesterday")
