"""Challenger against champion: the evidence, the rule, the verdict in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook.detection import ImageMatches, Prediction, match, mean_average_precision, paired_bootstrap
from secondlook.detection.bootstrap import DEFAULT_SAMPLES, DEFAULT_SEED, PairedDelta
from secondlook.failures.exceptions import EvaluationError
from secondlook.json_document import JsonDocument
from secondlook.training.rule import PromotionRule, SliceEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.training.manifest import ManifestLine

DEFAULT_SLICE = "clean"


@dataclass(frozen=True, slots=True)
class ScoredModel:
    """A model with its predictions of every holdout image."""

    model: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class BootstrapRun:
    """How often the paired bootstrap was drawn, and from which seed."""

    samples: int = DEFAULT_SAMPLES
    seed: int = DEFAULT_SEED


class Comparison(JsonDocument):
    """The outcome of one comparison, written beside the evaluations and quoted by the model card."""

    holdout: str
    challenger: str
    champion: str
    control: str | None
    slices: dict[str, SliceEvidence]
    pooled: SliceEvidence
    per_class: dict[str, dict[str, float | int | None]]
    rule: PromotionRule
    promote: bool
    reasons: tuple[str, ...]
    bootstrap: BootstrapRun

    @property
    def reason(self) -> str:
        """The verdict in one line, as XCom and the card carry it."""
        return " ".join(self.reasons)

    def verdict(self, comparison_uri: str) -> dict[str, Any]:
        """Return the short form for the model card."""
        return {
            "champion": self.champion,
            "comparison": comparison_uri,
            "delta": self.pooled.delta,
            "delta_ci95": self.pooled.delta_ci95,
            "promote": self.promote,
            "reasons": list(self.reasons),
        }


def compare(
    *,
    holdout_uri: str,
    holdout: Sequence[ManifestLine],
    labels: Sequence[str],
    challenger: ScoredModel,
    champion: ScoredModel,
    control: ScoredModel | None = None,
    rule: PromotionRule | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = DEFAULT_SEED,
) -> Comparison:
    """Compare two models, and a control if there is one, on a holdout that none of them was trained on.

    Parameters
    ----------
    holdout_uri
        Address of the holdout manifest.
    holdout
        Its lines; a line without a slice belongs to ``clean``.
    labels
        All labels, index = class id.
    challenger, champion, control
        The models with their predictions; predictions of other images are ignored. The control had the
        challenger's training steps on old data only and decides nothing: it shows what more training alone
        would have done.
    rule
        When to promote, by default ``PromotionRule()``.
    samples, seed
        Of the paired bootstrap.

    Raises
    ------
    EvaluationError
        When the holdout is empty, or a model has no prediction of one of its images, or saw it in another
        size.
    """
    if not holdout:
        raise EvaluationError(f"The holdout {holdout_uri} has no image; fill it before models are compared.")
    rule = rule or PromotionRule()
    first, second = _matches(challenger, holdout), _matches(champion, holdout)
    third = _matches(control, holdout) if control is not None else None
    slice_of = {line.image: line.slice or DEFAULT_SLICE for line in holdout}
    result = paired_bootstrap(first, second, len(labels), slices=slice_of, samples=samples, seed=seed)
    slices = {
        name: _evidence(
            delta, _control_map(third, len(labels), {i for i, s in slice_of.items() if s == name})
        )
        for name, delta in result.slices.items()
    }
    pooled = _evidence(result.pooled, _control_map(third, len(labels), set(slice_of)))
    promote, reasons = rule.decide(pooled, slices)
    return Comparison(
        holdout=holdout_uri,
        challenger=challenger.model,
        champion=champion.model,
        control=control.model if control is not None else None,
        slices=slices,
        pooled=pooled,
        per_class=_per_class(labels, first, second, third),
        rule=rule,
        promote=promote,
        reasons=reasons,
        bootstrap=BootstrapRun(samples, seed),
    )


def _matches(scored: ScoredModel, holdout: Sequence[ManifestLine]) -> list[ImageMatches]:
    by_image = {prediction.image: prediction for prediction in scored.predictions}
    matches = []
    for line in holdout:
        prediction = by_image.get(line.image)
        if prediction is None:
            raise EvaluationError(
                f"Model {scored.model} has no prediction of the holdout image {line.image};"
                " evaluate it again."
            )
        if (prediction.width, prediction.height) != (line.width, line.height):
            raise EvaluationError(
                f"Model {scored.model} saw {line.image} with {prediction.width} x {prediction.height}"
                f" pixels, but the holdout says {line.width} x {line.height}; the image changed:"
                " make a new holdout version."
            )
        matches.append(match(prediction, line.truth()))
    return matches


def _evidence(delta: PairedDelta, control: float | None) -> SliceEvidence:
    return SliceEvidence(
        images=delta.images,
        challenger=_rounded(delta.challenger),
        champion=_rounded(delta.champion),
        control=_rounded(control),
        delta=_rounded(delta.delta),
        delta_ci95=(_rounded(delta.low), _rounded(delta.high)),
    )


def _control_map(matches: Sequence[ImageMatches] | None, num_classes: int, images: set[str]) -> float | None:
    if matches is None:
        return None
    return mean_average_precision([m for m in matches if m.image in images], num_classes).map50


def _per_class(
    labels: Sequence[str],
    challenger: Sequence[ImageMatches],
    champion: Sequence[ImageMatches],
    control: Sequence[ImageMatches] | None,
) -> dict[str, dict[str, float | int | None]]:
    scores = [
        mean_average_precision(matches, len(labels)).per_class
        if matches is not None
        else (None,) * len(labels)
        for matches in (challenger, champion, control)
    ]
    objects = [truth for matches in challenger for truth in matches.truths]
    return {
        label: {
            "objects": objects.count(class_id),
            "challenger": _rounded(scores[0][class_id]),
            "champion": _rounded(scores[1][class_id]),
            "control": _rounded(scores[2][class_id]),
        }
        for class_id, label in enumerate(labels)
    }


def _rounded(value: float | None) -> float | None:
    # Six digits: far below what images can tell, and the same on every processor.
    return None if value is None else round(value, 6)
