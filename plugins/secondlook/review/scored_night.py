"""The predictions of a night, read once: a large night does not fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.review.policies import PUBLISHED_SCORE_THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secondlook.detection import Prediction


class ScoredNight:
    """The predictions of a night as they pass by once, and how many there were.

    ``images`` and ``published_rule`` (how many images the published rule, top score below 0.5, would have
    sent to review) are complete once it has been read to its end.
    """

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._predictions = iter(predictions)
        self.images = 0
        self.published_rule = 0

    def __iter__(self) -> Iterator[Prediction]:
        for prediction in self._predictions:
            self.images += 1
            self.published_rule += prediction.top_score < PUBLISHED_SCORE_THRESHOLD
            yield prediction

    def read_to_the_end(self) -> None:
        """Count what was not read."""
        for _ in self:
            pass
