"""Scoring a part of a night with an endpoint, and finding out whose fault it is when images fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.failures.exceptions import ModelFaultError
from secondlook.scoring.outcomes import Quarantined, Unanswered, judge, quarantine_failures
from secondlook.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secondlook.detection import Prediction
    from secondlook.scoring import FailureRule
    from secondlook.scoring.endpoint_model import EndpointModel
    from secondlook.scoring.image_scorer import ImageScorer
    from secondlook.stored import StoredObject

REMEDY = (
    "correct the model's container (image_uri) or the labels in the settings, then clear `deploy` and what "
    "follows; or raise [serving] max_failure_share if such images may be left out"
)


class PartScorer:
    """Scores parts.

    An image on which the model's server failed is sent once more, alone, after the control image was
    answered: another image may have brought the server down. If the server fails again, and then answers
    about the control image, the image is to blame.

    :param concurrency: images in flight at once.
    """

    def __init__(
        self, scorer: ImageScorer, model: EndpointModel, rule: FailureRule, concurrency: int
    ) -> None:
        self._scorer = scorer
        self._model = model
        self._rule = rule
        self._concurrency = concurrency

    def score(self, part: str, images: Sequence[StoredObject]) -> Iterator[Prediction | Quarantined]:
        """Yield what became of each image, in order, once all were asked about; ``part`` is its name.

        Raises
        ------
        ModelFaultError
            Too many images failed the same way.
        EndpointUnavailableError
            The endpoint is out of order, or fails on the control image, too.
        """
        outcomes = self._ask(images)
        self._ask_again(part, images, outcomes)
        self._judge(part, outcomes)
        yield from quarantine_failures(outcomes)

    def _ask(self, images: Sequence[StoredObject]) -> list[Prediction | Quarantined | Unanswered]:
        """Ask about each image, but about no more of them while the model's server fails on all."""
        outcomes: list[Prediction | Quarantined | Unanswered] = []
        in_a_row = 0
        for outcome in in_order(self._scorer.score, images, self._concurrency):
            outcomes.append(outcome)
            in_a_row = in_a_row + 1 if _is_of_server(outcome) else 0
            if in_a_row >= self._concurrency:
                self._model.check()
                in_a_row = 0
        return outcomes

    def _ask_again(
        self,
        part: str,
        images: Sequence[StoredObject],
        outcomes: list[Prediction | Quarantined | Unanswered],
    ) -> None:
        """Find out about the images on which the model's server failed, one after the other."""
        suspects = [index for index, outcome in enumerate(outcomes) if _is_of_server(outcome)]
        if suspects:
            self._model.check()
        known: list[Prediction | Quarantined | Unanswered | None] = list(outcomes)
        for index in suspects:
            known[index] = None
        for index in suspects:
            suspect = outcomes[index]
            if isinstance(suspect, Unanswered) and not suspect.decodes:
                continue
            outcomes[index] = known[index] = again = self._scorer.score(images[index])
            if isinstance(again, Unanswered):
                self._model.check()
                # A part on which the model fails again and again is not asked about to its end.
                self._judge(part, known)

    def _judge(self, part: str, outcomes: Iterable[Prediction | Quarantined | Unanswered | None]) -> None:
        blame = judge(outcomes, self._rule, self._works)
        if blame is not None:
            raise ModelFaultError(blame.sentence(part=part, model=self._model.place, remedy=REMEDY))

    def _works(self) -> bool:
        """Whether the model answers about the control image."""
        try:
            self._model.check()
        except ModelFaultError:
            return False
        return True


def _is_of_server(outcome: Prediction | Quarantined | Unanswered) -> bool:
    return isinstance(outcome, Unanswered) and outcome.of_server
