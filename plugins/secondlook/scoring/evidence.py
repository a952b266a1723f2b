"""What a batch transform that left images out proves about them.

SageMaker goes on when a model refuses an image, writes no output for it and fails the job in the end
(SageMaker Developer Guide, Batch Transform, "Job shows as failed"). So a job that failed is followed by
another wave, for the images without output and for one that has one: the control. A job *refuses* the images
that it leaves out if it ended as Failed, for a reason that does not pass, and answered about the control (the
first wave has none: about any image). Any other job proves nothing about an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

# An image is blamed once the model has left it out in so many waves in which it answered about others.
ENOUGH_REFUSALS = 2


class Verdict(Enum):
    """What follows when the jobs of a wave have ended."""

    COMPLETE = auto()
    """Nothing is missing."""
    OUTPUT_LOST = auto()
    """An output is gone that was there, or that a job that calls itself Completed has not written."""
    REFUSED = auto()
    """The images are to blame: the model refused them often enough."""
    CONTINUE = auto()
    """The images that are missing go into another wave."""
    UNPROVED = auto()
    """No image was ever answered about: none of the night may decode, or the model answers nothing."""
    JOB_FAILED = auto()
    """The job failed, and that says nothing about an image."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when the jobs of a wave have ended.

    Attributes
    ----------
    images
        How many images the wave held, without the control.
    missing
        How many images of the night have no output.
    refusals
        In how many waves, this one included, the model has refused all images of the wave.
    has_control
        Whether the wave had a control.
    succeeded
        Whether the last job was Completed.
    failed_for_good
        Whether it ended as Failed for a reason that does not pass.
    refused
        Whether it refused the images that it left out.
    """

    images: int
    missing: int
    refusals: int
    has_control: bool
    succeeded: bool
    failed_for_good: bool
    refused: bool

    @property
    def verdict(self) -> Verdict:
        """What follows from it."""
        if not self.missing:
            return Verdict.COMPLETE
        stuck = self.missing >= self.images
        if self.missing > self.images or (stuck and self.succeeded):
            return Verdict.OUTPUT_LOST
        if self.refusals >= ENOUGH_REFUSALS:
            return Verdict.REFUSED
        if self.succeeded or self.refused:
            return Verdict.CONTINUE
        if stuck and self.failed_for_good and not self.has_control:
            return Verdict.UNPROVED
        return Verdict.JOB_FAILED
