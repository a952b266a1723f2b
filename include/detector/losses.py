"""The SSD loss and its gradient at the two heads, in numpy.

Softmax cross-entropy over positives and mined negatives plus smooth L1 over the positives' offsets, both
divided by the number of positives in the batch (Liu et al., "SSD: Single Shot MultiBox Detector", 2016,
section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SsdLoss:
    """Sums over one batch, and gradients of the loss with respect to both heads."""

    cross_entropy_sum: float
    smooth_l1_sum: float
    valid: int
    """Anchors that took part: positives and mined negatives."""
    logits_gradient: Floats
    offsets_gradient: Floats


def ssd_loss(
    logits: Floats, offsets: Floats, classes: Floats, offset_targets: Floats, mask: Floats
) -> SsdLoss:
    """Return loss and gradients of one batch.

    Parameters
    ----------
    logits
        (batch, classes + 1, anchors).
    offsets
        (batch, anchors * 4).
    classes
        (batch, anchors), -1 to ignore.
    offset_targets
        (batch, anchors, 4).
    mask
        (batch, anchors, 4).
    """
    taking_part = classes >= 0
    target = np.where(taking_part, classes, 0).astype(np.int64)[:, None, :]
    positives = max(int((classes > 0).sum()), 1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponent = np.exp(shifted)
    total = exponent.sum(axis=1, keepdims=True)
    log_probability = np.take_along_axis(shifted, target, axis=1) - np.log(total)
    logits_gradient = exponent / total
    picked = np.take_along_axis(logits_gradient, target, axis=1)
    np.put_along_axis(logits_gradient, target, picked - 1, axis=1)
    logits_gradient *= taking_part[:, None, :] / positives
    difference = (offsets.reshape(mask.shape) - offset_targets) * mask
    absolute = np.abs(difference)
    smooth = np.where(absolute < 1, 0.5 * difference**2, absolute - 0.5)
    offsets_gradient = np.clip(difference, -1, 1) * mask / positives
    return SsdLoss(
        cross_entropy_sum=float(-(log_probability[:, 0, :] * taking_part).sum()),
        smooth_l1_sum=float(smooth.sum()),
        valid=int(taking_part.sum()),
        logits_gradient=logits_gradient.astype(np.float32),
        offsets_gradient=offsets_gradient.reshape(offsets.shape).astype(np.float32),
    )
