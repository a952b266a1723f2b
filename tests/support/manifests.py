"""Manifest lines and predictions to train and judge models with."""

from __future__ import annotations

import random

from secondlook.detection import Box, Detection, Prediction
from secondlook.training import Annotation, ManifestLine

LABELS = ("RBC", "WBC", "Platelets")
NIGHT = "2026-11-22"


def make_line(name: str, *class_ids: int, **more) -> ManifestLine:
    """An image with one box of each given class, side by side."""
    boxes = [Annotation(30 * place, 10, 20, 20, class_id) for place, class_id in enumerate(class_ids or (0,))]
    members = {"job_name": "a2i/loop", "night": NIGHT, "labels": LABELS, "depth": 3} | more
    return ManifestLine(f"s3://b/{name}", 640, 480, annotations=tuple(boxes), **members)


def make_holdout(images: int, **slices: int) -> list[ManifestLine]:
    """A holdout of ``images`` clean images, or of as many images of each slice as given."""
    draw = random.Random(5)
    counts = slices or {"clean": images}
    return [
        make_line(f"{name}-{n:03d}.jpg", *(draw.randrange(3) for _ in range(draw.randint(1, 8))), slice=name)
        for name, count in counts.items()
        for n in range(count)
    ]


def predict(holdout: list[ManifestLine], recall: float | dict[str, float], seed: int = 0) -> list[Prediction]:
    """Predictions of a detector that finds objects with the given probability, and invents some."""
    predictions = []
    for line in holdout:
        draw = random.Random(f"{seed} {line.image}")
        chance = recall[line.slice] if isinstance(recall, dict) else recall
        found = [
            Detection(t.class_id, round(draw.uniform(0.4, 1), 6), t.box)
            for t in line.truth()
            # The same luck for every recall: a better detector finds what the worse one finds, and more.
            if draw.random() < chance
        ]
        found += [
            Detection(draw.randrange(3), round(draw.uniform(0.05, 0.7), 6), Box(300, 300, 330, 330 + n))
            for n in range(1, 4)
        ]
        ordered = tuple(sorted(found, key=Detection.sort_key))
        predictions.append(Prediction(line.image, "e", line.width, line.height, 3, "m", ordered))
    return predictions
