"""Blood-smear scenes drawn from a seed: red cells, white cells, platelets, and stain debris.

A scene is two maps of stained thickness (eosin and azure) and the boxes of what was drawn into them;
`include.demo.drift` turns the maps into a photograph. Sizes are relative to the image's shorter side, as
under one magnification.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from include.demo.drift import develop

if TYPE_CHECKING:
    import numpy.typing as npt

    from include.demo.drift import Look

    FloatArray = npt.NDArray[np.float32]

LABELS = ("RBC", "WBC", "Platelets")
SMALLEST_PX, LARGEST_PX = 128, 320


@dataclass(frozen=True)
class TrueBox:
    """One object's box in pixels of the stored image, counted from 0 as in an augmented manifest."""

    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Scene:
    """A drawn image, RGB of shape (height, width, 3), and the boxes of everything in it that has a label."""

    pixels: npt.NDArray[np.uint8]
    boxes: tuple[TrueBox, ...]


@dataclass
class _Slide:
    """The slide while it is being drawn; `taken` holds (x, y, radius) of every labelled object, in pixels."""

    width_px: int
    height_px: int
    rng: np.random.Generator
    eosin: FloatArray = field(init=False)
    azure: FloatArray = field(init=False)
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    boxes: list[TrueBox] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.eosin = np.zeros((self.height_px, self.width_px), np.float32)
        self.azure = np.zeros((self.height_px, self.width_px), np.float32)

    @property
    def side_px(self) -> int:
        return min(self.width_px, self.height_px)


def draw_scene(rng: np.random.Generator, look: Look) -> Scene:
    """Draw one scene of 128 to 320 pixels a side."""
    slide = _blank(rng)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.48, 0.12]))):
        _white_cell(slide)
    for _ in range(int(rng.integers(2, 8))):
        _red_cell(slide)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.35, 0.4, 0.25]))):
        _platelet_clump(slide)
    for _ in range(int(rng.integers(2, 8))):
        _debris(slide)
    return Scene(develop(slide.eosin, slide.azure, look, rng), tuple(slide.boxes))


def draw_empty_scene(rng: np.random.Generator, look: Look) -> Scene:
    """Draw plasma with nothing in it: the field of view beside the smear."""
    slide = _blank(rng)
    return Scene(develop(slide.eosin, slide.azure, look, rng), ())


def _blank(rng: np.random.Generator) -> _Slide:
    width_px = int(rng.integers(SMALLEST_PX, LARGEST_PX + 1))
    height_px = int(np.clip(round(width_px * rng.uniform(0.75, 1.25)), SMALLEST_PX, LARGEST_PX))
    slide = _Slide(width_px, height_px, rng)
    _cloud_plasma(slide)
    return slide


def _cloud_plasma(slide: _Slide) -> None:
    """Plasma is never quite even: lay a smooth film of eosin over the slide."""
    rows, columns = np.ogrid[0 : slide.height_px, 0 : slide.width_px]
    x, y = columns.astype(np.float32) / slide.side_px, rows.astype(np.float32) / slide.side_px
    for _ in range(3):
        phase_x, phase_y, angle = slide.rng.uniform(0, 2 * np.pi, 3)
        wave = np.sin(4 * (x * np.cos(angle) + y * np.sin(angle)) + phase_x + np.cos(3 * y + phase_y))
        slide.eosin += np.float32(slide.rng.uniform(0.02, 0.06)) * (wave + 1).astype(np.float32)


def _place(slide: _Slide, radius_px: float, closest: float) -> tuple[float, float] | None:
    """Find a centre at which the object overlaps the others only a little; objects may be cut by the border.

    `closest` is the least distance of two centres in units of the sum of their radii. None when the slide is
    full.
    """
    rng = slide.rng
    inset = 0.35 * radius_px
    for _ in range(30):
        x = float(rng.uniform(inset, slide.width_px - inset))
        y = float(rng.uniform(inset, slide.height_px - inset))
        if all(np.hypot(x - ox, y - oy) >= closest * (radius_px + r) for ox, oy, r in slide.taken):
            return x, y
    return None


def _outline(
    slide: _Slide, x: float, y: float, radius_px: float, wobble: float
) -> tuple[tuple[slice, slice], FloatArray, tuple[float, float, float, float]]:
    """The patch around a wobbly ellipse, the distance from its centre (1 at its rim), its exact extent."""
    rng = slide.rng
    squeeze = float(rng.uniform(1 - wobble, 1.0))
    turn = float(rng.uniform(0, np.pi))
    waves = [(k, float(rng.uniform(0, wobble / k)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 5)]

    def rim(angle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        local = angle - turn
        base = squeeze / np.sqrt((squeeze * np.cos(local)) ** 2 + np.sin(local) ** 2)
        bumps = [amplitude * np.cos(k * angle + phase) for k, amplitude, phase in waves]
        return np.asarray(radius_px * base * (1 + np.sum(bumps, axis=0)))

    angles = np.linspace(0, 2 * np.pi, 181)
    rims = rim(angles)
    xs, ys = x + rims * np.cos(angles), y + rims * np.sin(angles)
    extent = (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
    # Soft edges reach beyond the rim.
    reach = 3 + int(0.65 * radius_px)
    top, bottom = max(0, int(extent[1]) - reach), min(slide.height_px, int(extent[3]) + reach)
    left, right = max(0, int(extent[0]) - reach), min(slide.width_px, int(extent[2]) + reach)
    dy, dx = np.mgrid[top:bottom, left:right] + 0.5
    dx, dy = dx - x, dy - y
    distance = np.hypot(dx, dy) / rim(np.arctan2(dy, dx))
    return (slice(top, bottom), slice(left, right)), distance.astype(np.float32), extent


def _inside(distance: FloatArray, softness: float) -> FloatArray:
    """1 inside the rim, 0 outside, with a soft edge of `softness` radii."""
    return np.asarray(np.clip((1 - distance) / np.float32(softness) + np.float32(0.5), 0, 1), np.float32)


def _keep(
    slide: _Slide, label: str, centre: tuple[float, float, float], extent: tuple[float, float, float, float]
) -> None:
    left, top = max(0, int(np.floor(extent[0]))), max(0, int(np.floor(extent[1])))
    right, bottom = (
        min(slide.width_px, int(np.ceil(extent[2]))),
        min(slide.height_px, int(np.ceil(extent[3]))),
    )
    slide.taken.append(centre)
    slide.boxes.append(TrueBox(label, left, top, right - left, bottom - top))


def _red_cell(slide: _Slide) -> None:
    """A biconcave disc: thick at the rim, thin in the middle."""
    rng = slide.rng
    radius_px = slide.side_px * float(rng.uniform(0.06, 0.115))
    centre = _place(slide, radius_px, 0.72)
    if centre is None:
        return
    patch, distance, extent = _outline(slide, *centre, radius_px, 0.16)
    pallor = float(rng.uniform(0.5, 0.95))
    thickness = 1 - pallor * np.exp(-((distance / np.float32(rng.uniform(0.4, 0.6))) ** 2))
    amount = float(rng.uniform(0.3, 1.2))
    slide.eosin[patch] += np.float32(amount) * thickness * _inside(distance, 0.14)
    _keep(slide, "RBC", (*centre, radius_px), extent)


def _white_cell(slide: _Slide) -> None:
    """Pale cytoplasm around a nucleus of two to five lobes."""
    rng = slide.rng
    radius_px = slide.side_px * float(rng.uniform(0.11, 0.2))
    centre = _place(slide, radius_px, 0.95)
    if centre is None:
        return
    patch, distance, extent = _outline(slide, *centre, radius_px, 0.1)
    slide.azure[patch] += np.float32(rng.uniform(0.05, 0.25)) * _inside(distance, 0.1)
    slide.eosin[patch] += np.float32(rng.uniform(0.1, 0.5)) * _inside(distance, 0.1)
    nucleus = np.zeros_like(slide.azure)
    lobes, start = int(rng.integers(2, 6)), float(rng.uniform(0, 2 * np.pi))
    for lobe in range(lobes):
        angle = start + lobe * float(rng.uniform(0.9, 1.4))
        reach = radius_px * float(rng.uniform(0.28, 0.45))
        x, y = centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)
        lobe_patch, lobe_distance, _ = _outline(slide, x, y, radius_px * float(rng.uniform(0.32, 0.48)), 0.2)
        nucleus[lobe_patch] = np.maximum(nucleus[lobe_patch], _inside(lobe_distance, 0.25))
    slide.azure += np.float32(rng.uniform(0.4, 1.1)) * nucleus
    _keep(slide, "WBC", (*centre, radius_px), extent)


def _platelet_clump(slide: _Slide) -> None:
    """One to four small purple grains, side by side."""
    rng = slide.rng
    middle: tuple[float, float] | None = None
    for _ in range(int(rng.integers(1, 5))):
        radius_px = slide.side_px * float(rng.uniform(0.024, 0.046))
        centre = _place(slide, radius_px, 1.0) if middle is None else _beside(slide, middle, radius_px)
        if centre is None:
            return
        middle = middle or centre
        patch, distance, extent = _outline(slide, *centre, radius_px, 0.3)
        grain = _inside(distance, 0.5) * (1 - np.float32(0.3) * distance)
        slide.azure[patch] += np.float32(rng.uniform(0.25, 0.75)) * grain
        _keep(slide, "Platelets", (*centre, radius_px), extent)


def _beside(slide: _Slide, middle: tuple[float, float], radius_px: float) -> tuple[float, float] | None:
    """A free place near the clump's first grain."""
    for _ in range(20):
        angle, reach = slide.rng.uniform(0, 2 * np.pi), slide.rng.uniform(2.0, 5.0) * radius_px
        x, y = float(middle[0] + reach * np.cos(angle)), float(middle[1] + reach * np.sin(angle))
        on_slide = radius_px < x < slide.width_px - radius_px and radius_px < y < slide.height_px - radius_px
        if on_slide and all(np.hypot(x - ox, y - oy) >= radius_px + r for ox, oy, r in slide.taken):
            return x, y
    return None


def _debris(slide: _Slide) -> None:
    """What fools a detector and has no label."""
    rng = slide.rng
    x, y = float(rng.uniform(0, slide.width_px)), float(rng.uniform(0, slide.height_px))
    _DEBRIS[int(rng.integers(len(_DEBRIS)))](slide, x, y)


def _ghost(slide: _Slide, x: float, y: float) -> None:
    """The faint ring that a burst red cell leaves."""
    rng = slide.rng
    patch, distance, _ = _outline(slide, x, y, slide.side_px * float(rng.uniform(0.05, 0.11)), 0.2)
    ring = np.exp(-(((distance - np.float32(0.9)) / np.float32(0.14)) ** 2))
    slide.eosin[patch] += np.float32(rng.uniform(0.12, 0.35)) * ring


def _pool(slide: _Slide, x: float, y: float) -> None:
    """A drop of eosin without a rim: pink like a red cell, but flat and frayed."""
    rng = slide.rng
    patch, distance, _ = _outline(slide, x, y, slide.side_px * float(rng.uniform(0.05, 0.12)), 0.45)
    slide.eosin[patch] += np.float32(rng.uniform(0.2, 0.7)) * _inside(distance, 0.9)


def _grain(slide: _Slide, x: float, y: float) -> None:
    """Precipitated stain: as large as a platelet, but dark and sharp."""
    rng = slide.rng
    patch, distance, _ = _outline(slide, x, y, slide.side_px * float(rng.uniform(0.01, 0.03)), 0.5)
    slide.azure[patch] += np.float32(rng.uniform(0.8, 1.6)) * _inside(distance, 0.3)


def _smudge(slide: _Slide, x: float, y: float) -> None:
    """A nucleus crushed while the smear was made: purple like a white cell's, but with no cell around it."""
    rng = slide.rng
    patch, distance, _ = _outline(slide, x, y, slide.side_px * float(rng.uniform(0.07, 0.15)), 0.5)
    slide.azure[patch] += np.float32(rng.uniform(0.25, 0.7)) * _inside(distance, 1.2)


def _streak(slide: _Slide, x: float, y: float) -> None:
    """A scratch that filled with stain."""
    rng = slide.rng
    turn, length = float(rng.uniform(0, np.pi)), slide.side_px * float(rng.uniform(0.06, 0.16))
    rows, columns = np.ogrid[0 : slide.height_px, 0 : slide.width_px]
    along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    across = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
    streak = np.exp(-((along / length) ** 4) - (across / (0.012 * slide.side_px)) ** 2)
    slide.azure += np.float32(rng.uniform(0.25, 0.6)) * streak.astype(np.float32)


_DEBRIS = (_ghost, _pool, _grain, _smudge, _streak)
