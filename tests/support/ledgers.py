"""Images, ledger lines and A2I outputs as a night produces them."""

from __future__ import annotations

import hashlib

from secondlook.detection import Box, Detection, Prediction
from secondlook.review import LedgerLine
from secondlook.review.selection import SelectedImage

LABELS = ("RBC", "WBC", "Platelets")
NIGHT = "2026-11-22"
WIDTH, HEIGHT = 640, 480


def make_prediction(
    name: str, *scores: float, class_id: int = 0, etag: str = "e1", content: int = 1
) -> Prediction:
    """An image whose detections have the given scores, side by side."""
    detections = sorted(
        (Detection(class_id, s, Box.from_size(20.0 * i, 10.0, 15.0, 12.0)) for i, s in enumerate(scores)),
        key=Detection.sort_key,
    )
    image = f"s3://b/images/{NIGHT}/{name}"
    sha256 = hashlib.sha256(f"{name} {content}".encode()).hexdigest()
    return Prediction(image, etag, WIDTH, HEIGHT, 3, "m-1", tuple(detections), sha256)


def make_ledger_line(prediction: Prediction | None = None) -> LedgerLine:
    """The ledger line of one selected image."""
    prediction = prediction or make_prediction("a.jpg", 0.9, 0.4)
    selection = SelectedImage(prediction, "policy", 0.33, 1)
    return LedgerLine.from_selection(
        selection, flow="flow-1", policy="uncertainty_sum", labels=LABELS, night=NIGHT
    )


def drawn(left: float, top: float, width: float, height: float, label: str | None = "RBC") -> dict:
    """A box in the form that the crowd element sends."""
    return {"height": height, "label": label, "left": left, "top": top, "width": width}


def make_output(
    line: LedgerLine, *answers: list[dict], size: tuple[int, int] = (WIDTH, HEIGHT), **more
) -> dict:
    """An output document in the form that Amazon A2I writes."""
    return {
        "flowDefinitionArn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow-1",
        "humanAnswers": [
            {
                "acceptanceTime": f"2026-11-22T08:0{number}:15.191Z",
                "answerContent": {
                    "annotatedResult": {
                        "boundingBoxes": boxes,
                        "inputImageProperties": {"height": size[1], "width": size[0]},
                    }
                },
                "submissionTime": f"2026-11-22T08:0{number}:58.321Z",
                "timeSpentInSeconds": 40.543,
                "workerId": f"worker-{number}",
                "workerMetadata": {
                    "identityData": {"identityProviderType": "Cognito", "sub": f"sub-{number}"}
                },
            }
            for number, boxes in enumerate(answers, start=1)
        ],
        "humanLoopName": line.loop,
        "inputContent": {"taskObject": line.image, "labels": list(LABELS)},
        **more,
    }
