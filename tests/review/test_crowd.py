"""Consensus measured on real people: crowd workers against an expert, image by image.

The first case is drawn here, with reviewers who miss, invent and misplace boxes; the second is a public set
of pedestrian boxes of seven paid workers an image, when it lies beside the project.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from secondlook import jsonl
from secondlook.detection import Box, boxes_array, iou_matrix
from secondlook.review import LabelledBox, consolidate

CROWD_FILE = Path(__file__).parents[3] / "shared" / "data" / "crowd_boxes" / "crowd_boxes.jsonl"

Image = tuple[list[Box], list[list[Box]]]


def simulated_crowd() -> Iterator[Image]:
    """Images with up to five objects, seven workers with recall 0.85 and precision about 0.9 each."""
    draw = random.Random(20261122)
    for _ in range(200):
        expert = [
            Box.from_size(220 * column + draw.uniform(0, 60), draw.uniform(0, 400), draw.uniform(15, 60), 70)
            for column in range(draw.randint(0, 5))
        ]
        workers = []
        for _ in range(7):
            seen = [box for box in expert if draw.random() < 0.85]
            boxes = [Box(*(edge + draw.gauss(0, 2.5) for edge in box.as_tuple())) for box in seen]
            if draw.random() < 0.25:
                boxes.append(Box.from_size(draw.uniform(0, 1200), draw.uniform(0, 600), 30, 70))
            workers.append(boxes)
        yield expert, workers


def crowd_from(path: Path) -> Iterator[Image]:
    for record in jsonl.decode(path.read_bytes(), source=path.name):
        workers = [[Box(*box) for box in boxes] for _, boxes in sorted(record["workers"].items())]
        yield [Box(*box) for box in record["expert"]], workers


CROWDS = [pytest.param(list(simulated_crowd()), id="simulated")]
CROWDS += [pytest.param(list(crowd_from(path)), id=path.stem) for path in [CROWD_FILE] if path.exists()]


def f1_score(images: list[Image], reviewers: int) -> float:
    """F1 of the consensus of randomly drawn reviewers, matched one to one with the expert's at IoU 0.5."""
    draw = random.Random(0)
    hits = found = there = 0
    for expert, workers in images:
        chosen = draw.sample(workers, reviewers)
        answers = [[LabelledBox(box, "pedestrian") for box in boxes] for boxes in chosen]
        consensus = [agreed.box for agreed in consolidate(answers).boxes]
        hits += matched(consensus, expert)
        found += len(consensus)
        there += len(expert)
    return 2 * hits / (found + there)


def matched(boxes: list[Box], expert: list[Box]) -> int:
    overlaps = iou_matrix(boxes_array(boxes), boxes_array(expert))
    hits = 0
    while overlaps.size and overlaps.max() >= 0.5:
        box, truth = divmod(int(overlaps.argmax()), overlaps.shape[1])
        overlaps[box, :] = overlaps[:, truth] = 0
        hits += 1
    return hits


@pytest.mark.parametrize("images", CROWDS)
def test_three_reviewers_with_loose_clusters_come_close_to_an_expert(images):
    single, three = f1_score(images, 1), f1_score(images, 3)
    assert three >= 0.90
    assert three > single


@pytest.mark.parametrize("images", CROWDS)
def test_seven_reviewers_are_no_worse_than_three(images):
    assert f1_score(images, 7) >= f1_score(images, 3) - 0.005
