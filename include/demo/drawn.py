"""Draw the demo archive from a seed, each picture from a generator of its own: same seed, same bytes."""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from include.demo.archive import HOLDOUT_VERSION, Archive, HoldoutImage, night_names
from include.demo.drift import clean_look, drifted_look
from include.demo.scenes import LABELS, TrueBox, draw_empty_scene, draw_scene
from include.demo.voc_xml import annotation_xml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

JPEG_QUALITY = 88
# Orientation 6 of EXIF: a viewer turns the picture a quarter clockwise before it shows it.
EXIF_ORIENTATION_TAG = 0x0112
EXIF_TURN_CLOCKWISE = 6
# The pictures of a night that are not as they should be, by their number within the night.
ODD_ONES = {17: "truncated", 48: "text", 79: "empty", 104: "grey", 131: "turned"}
VALIDATION_SHARE = 5


@dataclass(frozen=True)
class DrawnSizes:
    """How many pictures of each kind; the defaults are the demo's."""

    bootstrap: int = 150
    night: int = 150
    holdout: int = 250
    nights: int = 3
    processes: int = 1


@dataclass(frozen=True)
class _Order:
    """One picture to draw. `stream` and `number` choose its random generator."""

    seed: int
    stream: int
    number: int
    key: str
    drifted: bool
    kind: str = "ordinary"


@dataclass(frozen=True)
class _Drawn:
    key: str
    data: bytes
    size_px: tuple[int, int, int]
    boxes: tuple[TrueBox, ...] | None


def draw_archive(root: Path, seed: int, sizes: DrawnSizes | None = None) -> Archive:
    """Draw the whole archive below `root`.

    Three nights, unless the sizes say otherwise: the last one drifts (stain, focus, light), and so does one
    half of the holdout. Each night holds five odd files: a truncated JPEG, a text file named .jpg, a picture
    with nothing in it, a grey one, and one with an EXIF rotation; a short night holds the first of them.
    """
    sizes = sizes or DrawnSizes()
    archive = Archive(root, LABELS, night_names(sizes.nights))
    orders = [
        *_bootstrap_orders(seed, sizes),
        *_night_orders(archive, seed, sizes),
        *_holdout_orders(seed, sizes),
    ]
    for drawn in _draw_all(orders, sizes.processes):
        archive.write(drawn.key, drawn.data)
        if drawn.boxes is not None:
            archive.truth[drawn.key] = drawn.boxes
        if drawn.key.startswith("bootstrap/"):
            name = drawn.key.rsplit("/", 1)[-1]
            xml = annotation_xml(name, drawn.size_px, drawn.boxes or ())
            archive.write(f"bootstrap/voc/Annotations/{name.removesuffix('.jpg')}.xml", xml)
        elif drawn.key.startswith("holdout/"):
            slice_name = drawn.key.rsplit("/", 1)[-1].split("-")[0]
            archive.holdout.append(HoldoutImage(drawn.key, slice_name, *drawn.size_px))
    names = [order.key.rsplit("/", 1)[-1].removesuffix(".jpg") for order in _bootstrap_orders(seed, sizes)]
    held = names[:: VALIDATION_SHARE + 1]
    archive.write_image_sets([name for name in names if name not in set(held)], held)
    return archive


def _bootstrap_orders(seed: int, sizes: DrawnSizes) -> list[_Order]:
    return [
        _Order(seed, 0, number, f"bootstrap/voc/JPEGImages/smear-{number:04d}.jpg", drifted=False)
        for number in range(1, sizes.bootstrap + 1)
    ]


def _night_orders(archive: Archive, seed: int, sizes: DrawnSizes) -> list[_Order]:
    last = len(archive.nights)
    return [
        _Order(
            seed,
            night_number,
            number,
            f"images/{night}/scan-{number:04d}.jpg",
            drifted=night_number == last,
            kind=ODD_ONES.get(number, "ordinary"),
        )
        for night_number, night in enumerate(archive.nights, start=1)
        for number in range(1, sizes.night + 1)
    ]


def _holdout_orders(seed: int, sizes: DrawnSizes) -> list[_Order]:
    return [
        _Order(
            seed,
            10 + drifted,
            number,
            f"holdout/{HOLDOUT_VERSION}/images/{name}-{number:04d}.jpg",
            bool(drifted),
        )
        for drifted, name in enumerate(("clean", "drifted"))
        for number in range(1, sizes.holdout + 1)
    ]


def _draw_all(orders: list[_Order], processes: int) -> Iterable[_Drawn]:
    if processes == 1:
        yield from map(_draw, orders)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_draw, orders, chunksize=16)


def _draw(order: _Order) -> _Drawn:
    rng = np.random.default_rng([order.seed, order.stream, order.number])
    look = drifted_look(rng) if order.drifted else clean_look(rng)
    if order.kind == "text":
        note = f"scan {order.number}: the camera was offline, please repeat\n"
        return _Drawn(order.key, note.encode(), (0, 0, 0), None)
    scene = draw_empty_scene(rng, look) if order.kind == "empty" else draw_scene(rng, look)
    image, boxes = Image.fromarray(scene.pixels), scene.boxes
    exif = Image.Exif()
    if order.kind == "turned":
        boxes = tuple(_turned(box, image.width) for box in boxes)
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[EXIF_ORIENTATION_TAG] = EXIF_TURN_CLOCKWISE
    if order.kind == "grey":
        image = image.convert("L")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY, exif=exif)
    data = stream.getvalue()
    size_px = (image.width, image.height, len(image.getbands()))
    if order.kind == "truncated":
        return _Drawn(order.key, data[: len(data) // 2], size_px, None)
    return _Drawn(order.key, data, size_px, boxes)


def _turned(box: TrueBox, upright_width_px: int) -> TrueBox:
    """The box in the stored frame of a picture that was stored a quarter turn anticlockwise."""
    return TrueBox(box.label, box.top, upright_width_px - box.left - box.width, box.height, box.width)
