"""Pictures of dark squares and bright bars on grey, with the truth about each."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

LABELS = ("square", "bar")
SIDE_PX = 96


@dataclass(frozen=True)
class Picture:
    """A JPEG and what is in it: (label, left, top, width, height)."""

    data: bytes
    boxes: tuple[tuple[str, int, int, int, int], ...]


def draw(seed: int, *, dusk: bool = False) -> Picture:
    """One to three shapes that do not touch; at dusk everything is darker."""
    rng = random.Random(seed)
    light = 0.5 if dusk else 1.0
    grey = int(rng.randrange(140, 170) * light)
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), (grey, grey, grey))
    canvas = ImageDraw.Draw(image)
    boxes = []
    for column in rng.sample((0, 1, 2), rng.randrange(1, 4)):
        label = rng.choice(LABELS)
        width, height = (22, 22) if label == "square" else (12, 40)
        left, top = column * 32 + rng.randrange(1, 32 - width), rng.randrange(2, SIDE_PX - height - 2)
        colour = (int(30 * light), int(30 * light), int(90 * light)) if label == "square" else (250, 240, 120)
        canvas.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
        boxes.append((label, left, top, width, height))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return Picture(buffer.getvalue(), tuple(boxes))


def drawn_boxes(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer of a reviewer who draws every box of a picture right; ``task`` as the desk offers it."""
    seed = int(task["input"]["taskObject"].rsplit("shape", 1)[1].removesuffix(".jpg"))
    names = ("label", "left", "top", "width", "height")
    return [dict(zip(names, box, strict=True)) for box in draw(seed).boxes]


def annotation_xml(picture: Picture, *, width: int = SIDE_PX, height: int = SIDE_PX) -> bytes:
    """The picture's annotation as PASCAL VOC has it: counted from 1, both ends included."""
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{left + w}</xmax><ymax>{top + h}</ymax></bndbox></object>"
        for label, left, top, w, h in picture.boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>x.jpg</filename>{size}{objects}</annotation>".encode()
