"""What a challenger may learn from, and which images are drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from secondlook.training.identity import ImageIdentities, latest
from secondlook.training.replay import control_mix, mix_replay, split_validation

if TYPE_CHECKING:
    from collections.abc import Collection

    from secondlook.training.manifest import ManifestLine

    Lines = tuple[ManifestLine, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The images of one training: the challenger's, the control's, and those that both validate with.

    ``control`` is None without a control arm; ``new`` of the challenger's images are answers, the others are
    replayed.
    """

    challenger: Lines
    control: Lines | None
    validation: Lines
    new: int

    @property
    def images(self) -> set[ManifestLine]:
        """Every image that is drawn."""
        return {*self.challenger, *(self.control or ()), *self.validation}


@dataclass(frozen=True, slots=True)
class Material:
    """What images can be drawn from: new answers, everything learned before, and what validates."""

    new: Lines
    old: Lines
    validation: Lines

    @classmethod
    def of(cls, answers: Lines, learned: Lines, bootstrap_validation: Lines, share: float) -> Self:
        """Set a share of all answers aside for validation, beside the bootstrap's validation images.

        Old answers are split as when they were new; bootstrap images keep the bootstrap's split.
        """
        new, validation_new = split_validation(answers, share)
        answered = [line for line in learned if line.job_name.startswith("a2i/")]
        bootstrap = [line for line in learned if not line.job_name.startswith("a2i/")]
        old, validation_old = split_validation(answered, share)
        validation = latest((*bootstrap_validation, *validation_old, *validation_new))
        validating = ImageIdentities.of(validation)
        return cls(
            tuple(line for line in new if line not in validating),
            tuple(line for line in (*bootstrap, *old) if line not in validating),
            validation,
        )

    def without(self, images: Collection[str]) -> Self:
        """Return the material without images, given their addresses."""
        parts = (self.new, self.old, self.validation)
        return type(self)(*(tuple(line for line in lines if line.image not in images) for lines in parts))

    def draw(self, replay_ratio: float, *, control: bool) -> Drawn:
        """Mix new answers with old images; the control gets as many old ones."""
        mix = mix_replay(self.new, self.old, replay_ratio)
        others = control_mix(self.old, len(mix.lines)) if control else None
        return Drawn(mix.lines, others, self.validation, mix.new)
