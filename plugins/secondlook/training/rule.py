"""When a challenger replaces the champion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SliceEvidence:
    """mAP at IoU 0.5 on one part of the holdout, and challenger minus champion with its 95 % interval.

    Everything but ``images`` is None when those images hold no object; ``control`` also when there is no
    control.
    """

    images: int
    challenger: float | None
    champion: float | None
    control: float | None
    delta: float | None
    delta_ci95: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """Promotes a challenger that is better overall and worse nowhere.

    Attributes
    ----------
    min_images
        With fewer holdout images nothing is promoted: the interval is too wide to trust.
    min_delta
        The pooled interval must lie above this.
    max_slice_loss
        No slice may lose more mAP than this: a better model on drifted images that forgot the clean ones
        stays out.
    """

    min_images: int = 50
    min_delta: float = 0.0
    max_slice_loss: float = 0.02

    def __post_init__(self) -> None:
        if self.min_images < 1:
            raise EvaluationError(f"The promotion rule's min_images is {self.min_images}; give 1 or more.")
        for name in ("min_delta", "max_slice_loss"):
            if not math.isfinite(getattr(self, name)) or getattr(self, name) < 0:
                raise EvaluationError(
                    f"The promotion rule's {name} is {getattr(self, name)}; give 0 or more."
                )

    def decide(
        self, pooled: SliceEvidence, slices: Mapping[str, SliceEvidence]
    ) -> tuple[bool, tuple[str, ...]]:
        """Return the verdict with its reasons: every objection, or else the gains."""
        if pooled.images < self.min_images:
            return False, (
                f"The holdout has {pooled.images} images and the rule asks for at least {self.min_images}:"
                " too few to tell the models apart.",
            )
        low, high = pooled.delta_ci95
        if pooled.delta is None or low is None or high is None:
            return False, (
                "The holdout holds no labelled object: there is nothing to compare the models by.",
            )
        place = (
            f"{pooled.delta:+.3f} mAP@0.5 over {pooled.images} images"
            f" (95% interval {low:+.3f} to {high:+.3f})"
        )
        objections = (
            []
            if low > self.min_delta
            else [
                f"No evidence that the challenger is better: {place} does not lie above {self.min_delta:g}."
            ]
        )
        objections += [
            f"On slice {name} it loses {-evidence.delta:.3f} mAP@0.5, and {self.max_slice_loss:g} is allowed."
            for name, evidence in sorted(slices.items())
            if evidence.delta is not None and evidence.delta < -self.max_slice_loss
        ]
        if objections:
            return False, tuple(objections)
        return True, (
            f"The challenger is better: {place}.",
            f"No slice loses more than {self.max_slice_loss:g} mAP@0.5.",
        )
