"""A night passes in each form that Amazon's algorithm is known to answer in, by endpoint and by transform."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from tests.operators.archive import NIGHT
from tests.support.aws import DETECTOR_IMAGE
from tests.support.shapes import LABELS, draw

FORMS = (DETECTOR_IMAGE, *(DETECTOR_IMAGE.replace(":", f"-{form}:") for form in ("wrapped", "ratios")))


def scored_lines(project: Any, model: str) -> dict[str, tuple[Any, ...]]:
    """What the night's parts say of each image; they are removed, for the next to score it again."""
    lines = {}
    for key in project.keys(project.layout.predictions(NIGHT, model)):
        if key.endswith(".jsonl.gz"):
            for line in project.lines(key):
                size = (line["width"], line["height"], line["depth"])
                lines[line["image"]] = (*size, line["detections"])
        project.s3.delete_object(Bucket=project.bucket, Key=key)
    return lines


def test_every_form_gives_the_same_predictions(ready: Any, context: dict[str, Any]) -> None:
    folder = ready.layout.images(NIGHT)
    ready.upload_night(range(5000, 5003))
    buffer = io.BytesIO()
    Image.open(io.BytesIO(draw(5003).data)).convert("L").resize((120, 80)).save(buffer, "PNG")
    ready.put(f"{folder}/grey.png", buffer.getvalue())
    pointer = ready.get(ready.layout.champion()).decode()
    nights = []
    for image in FORMS:
        ready.put(ready.layout.champion(), pointer.replace(DETECTOR_IMAGE, image).encode())
        model = ready.deploy(labels=LABELS).execute(context)["model"]
        by_endpoint = ready.score(model, labels=LABELS).execute(context)
        nights.append(scored_lines(ready, model))
        for item in ready.keys(f"{ready.prefix}/transforms/"):
            ready.s3.delete_object(Bucket=ready.bucket, Key=item)
        by_transform = ready.score_archive(labels=LABELS).execute(context)
        nights.append(scored_lines(ready, model))
        assert by_endpoint["scored"] == by_transform["scored"] == 4
    assert any(found[-1] for found in nights[0].values())
    assert nights[0][ready.layout.uri(f"{folder}/grey.png")][:3] == (120, 80, 1)
    assert all(night == nights[0] for night in nights)
