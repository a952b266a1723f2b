"""A night's selection: which of its images people see, and the ledger lines of these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from secondlook.review.ledger import LedgerLine
from secondlook.review.policies import resolve_policy
from secondlook.review.selection import select
from secondlook.review.selection_settings import SelectionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secondlook.detection import Prediction
    from secondlook.review.selection import SelectedImage
    from secondlook.settings import ReviewSettings

# Of the lots that decide between equal priorities, and of the audit's.
SEED = 0


@dataclass(frozen=True)
class NightSelector:
    """Selects a night's images for review by one run's settings.

    Attributes
    ----------
    night
        The night, YYYY-MM-DD.
    model
        The model whose predictions are read.
    flow
        The flow definition that the loops run on.
    labels
        All labels, index = class id.
    review
        Policy, limit, audit share, review round and predraw score.
    """

    night: str
    model: str
    flow: str
    labels: Sequence[str]
    review: ReviewSettings

    def settings(self, images: int) -> SelectionSettings:
        """Return what this run selects by, of so many scored images."""
        return SelectionSettings(
            review_policy=self.review.policy,
            policy_params=self.review.policy_params,
            review_limit=self.review.limit,
            audit_share=self.review.audit_share,
            model=self.model,
            images=images,
        )

    def select(self, predictions: Iterable[Prediction], limit: int) -> list[SelectedImage]:
        """Select at most ``limit`` images. Raises like :func:`secondlook.review.selection.select`."""
        policy = resolve_policy(self.review.policy, **self.review.policy_params)
        return select(predictions, policy, limit, self.review.audit_share, SEED, self.night)

    def lines(self, selected: Iterable[SelectedImage]) -> list[LedgerLine]:
        """Return the ledger lines of selected images. Raises like :meth:`LedgerLine.from_selection`."""
        policy = resolve_policy(self.review.policy, **self.review.policy_params).name
        return [
            LedgerLine.from_selection(
                image,
                flow=self.flow,
                policy=policy,
                labels=self.labels,
                night=self.night,
                predraw_score=self.review.predraw_score,
                round=self.review.round,
            )
            for image in selected
        ]


def distinct(selected: Sequence[SelectedImage], known: Sequence[Prediction | None]) -> list[SelectedImage]:
    """Return a selection whose images' contents were read since: each content once, ranks without gaps.

    Parameters
    ----------
    selected
        The selection, best-ranked first.
    known
        The prediction of each image, now with its SHA-256; None leaves the image out.
    """
    first: dict[str | None, SelectedImage] = {}
    for image, prediction in zip(selected, known, strict=True):
        if prediction is not None and prediction.sha256 not in first:
            first[prediction.sha256] = replace(image, prediction=prediction, rank=len(first) + 1)
    return list(first.values())


def not_asked(predictions: Iterable[Prediction], asked: Sequence[LedgerLine]) -> Iterator[Prediction]:
    """Yield the predictions of image versions that a ledger does not ask about."""
    versions = {(line.image, line.etag) for line in asked}
    return (image for image in predictions if (image.image, image.etag) not in versions)


def additions(chosen: Sequence[LedgerLine], ledger: Sequence[LedgerLine]) -> list[LedgerLine]:
    """Return what selecting again adds to a ledger: contents that it does not ask about, ranked after it."""
    contents = {line.sha256 for line in ledger if line.asked}
    last = max((line.rank for line in ledger), default=0)
    new = [line for line in chosen if line.sha256 not in contents]
    return [replace(line, rank=last + rank) for rank, line in enumerate(new, start=1)]
