"""Training data of the next model: new answers mixed with replayed old images, and a stable validation split.

Training on reviewed images alone makes a detector forget, because they were chosen for being unlike the
rest. On blood cell photos with a drifted review batch, training without replay erased the old domain within
80 steps, and a quarter of replayed images kept 95 % of it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import ReplayError
from secondlook.names import digest
from secondlook.training.identity import latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.training.manifest import ManifestLine

DEFAULT_REPLAY_RATIO = 1.0
DEFAULT_MIN_BOXES_PER_CLASS = 10
DEFAULT_VALIDATION_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class ReplayMix:
    """The images of one training job: ``lines`` in training order, with counts of new and replayed ones."""

    lines: tuple[ManifestLine, ...]
    new: int
    replayed: int


def mix_replay(
    new: Sequence[ManifestLine],
    old: Sequence[ManifestLine],
    ratio: float = DEFAULT_REPLAY_RATIO,
    seed: int = 0,
    min_boxes_per_class: int = DEFAULT_MIN_BOXES_PER_CLASS,
) -> ReplayMix:
    """Mix new images with a seeded sample of old ones.

    Parameters
    ----------
    new
        Images answered since the last training; each image, copies included, counts once, and its last line
        wins.
    old
        Images learned before; those that are also in ``new`` are left out.
    ratio
        Replayed images per new image, 1.0 = half of the mix. 0 replays nothing; use it deliberately.
    seed
        Seed of the sample; the order of the inputs does not matter.
    min_boxes_per_class
        The sample holds at least this many boxes of each class, as far as ``old`` has them, even if it
        takes more images than ``ratio`` asks for: rare classes are forgotten first.

    Raises
    ------
    ReplayError
        When the ratio is negative, or above 0 and there is no old image.
    """
    if not (math.isfinite(ratio) and ratio >= 0):
        raise ReplayError(f"The replay ratio is {ratio}; give 0 or more replayed images per new image.")
    fresh = latest(new)
    past = _shuffled(set(latest((*old, *fresh))).difference(fresh), seed, "replay")
    if not fresh or ratio == 0:
        return ReplayMix(tuple(_shuffled(fresh, seed, "order")), len(fresh), 0)
    if not past:
        raise ReplayError(
            f"There is no old image to replay beside {len(fresh)} new ones, and training on new images alone"
            " makes the model forget; add the bootstrap manifest, or set the replay ratio to 0."
        )
    chosen = _stratified(past, math.ceil(ratio * len(fresh)), min_boxes_per_class)
    lines = _shuffled([*fresh, *chosen], seed, "order")
    return ReplayMix(tuple(lines), len(fresh), len(chosen))


def control_mix(old: Sequence[ManifestLine], size: int, seed: int = 0) -> tuple[ManifestLine, ...]:
    """Return ``size`` lines of old images only, for a control model that trains as long as the challenger.

    With fewer old images than ``size`` they repeat, each as often as any other, give or take one.

    Raises
    ------
    ReplayError
        When there is no old image.
    """
    past = _shuffled(latest(old), seed, "control")
    if not past:
        raise ReplayError("There is no old image to train a control model on; switch the control arm off.")
    return tuple(past[index % len(past)] for index in range(size))


def split_validation(
    lines: Iterable[ManifestLine], share: float = DEFAULT_VALIDATION_SHARE
) -> tuple[tuple[ManifestLine, ...], tuple[ManifestLine, ...]]:
    """Split into training and validation lines by a hash of the image's address.

    An image stays on its side regardless of the rest of the list, so no image validated on today is trained
    on tomorrow. Exception: with two or more images (and ``0 < share < 1``) each side gets at least one.

    Raises
    ------
    ReplayError
        When the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ReplayError(f"The validation share is {share}; give a number between 0 and 1.")
    everything = list(lines)
    validation = {line.image for line in everything if _fraction(line.image) < share}
    images = sorted({line.image for line in everything}, key=lambda image: (_fraction(image), image))
    if len(images) > 1 and 0 < share < 1:
        validation = (validation | {images[0]}) - {images[-1]}
    return (
        tuple(line for line in everything if line.image not in validation),
        tuple(line for line in everything if line.image in validation),
    )


def _stratified(past: Sequence[ManifestLine], size: int, min_boxes_per_class: int) -> list[ManifestLine]:
    available = Counter(a.class_id for line in past for a in line.annotations)
    boxes: Counter[int] = Counter()
    chosen: dict[str, ManifestLine] = {}
    # The rarest class first: its images bring the common classes along.
    for class_id in sorted(available, key=lambda c: (available[c], c)):
        for line in past:
            if boxes[class_id] >= min_boxes_per_class:
                break
            if line.image not in chosen and any(a.class_id == class_id for a in line.annotations):
                chosen[line.image] = line
                boxes.update(a.class_id for a in line.annotations)
    for line in past:
        if len(chosen) >= size:
            break
        chosen.setdefault(line.image, line)
    return list(chosen.values())


def _shuffled(lines: Iterable[ManifestLine], seed: int, purpose: str) -> list[ManifestLine]:
    return sorted(lines, key=lambda line: (digest(purpose, seed, line.image, length=32), line.image))


def _fraction(image: str) -> float:
    return int(digest("validation", image, length=13), 16) / 16**13
