"""One challenger at a time: which one is being trained or judged, and when it is out of the way."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from secondlook.json_document import JsonDocument
from secondlook.training.card import is_rejected_by_a_person

if TYPE_CHECKING:
    from collections.abc import Mapping


class Standing(Enum):
    """What has become of a challenger. The value is for a log line: ``"It " + value``."""

    NOT_STARTED = "is not being trained yet"
    TRAINING = "is being trained"
    UNJUDGED = "is trained and has no verdict yet"
    WON = "has won and is not promoted yet"
    FAILED = "could not be trained"
    LOST = "has lost"
    REJECTED = "has won and was rejected by a person"
    SUPERSEDED = "was trained from another champion"

    @property
    def decided(self) -> bool:
        """Whether another challenger of the same champion may be trained."""
        return self in {Standing.FAILED, Standing.LOST, Standing.REJECTED, Standing.SUPERSEDED}


class OpenChallenger(JsonDocument):
    """The content of ``training/challenger.json``, written only by compare-and-swap.

    ``parent`` is the champion that the challenger starts from, ``jobs`` the training jobs, the challenger's
    first, ``run`` the Airflow run (``dag_id/run_id``) that makes them, ``night`` its night.
    """

    remedy: ClassVar[str] = "delete it"

    parent: str
    jobs: Annotated[tuple[str, ...], Field(min_length=1)]
    run: str
    night: str

    @property
    def challenger(self) -> str:
        """The model that is being made; the name of its training job."""
        return self.jobs[0]

    def standing(self, champion: str, job_status: str | None, verdict: Mapping[str, Any] | None) -> Standing:
        """Say what has become of the challenger.

        Parameters
        ----------
        champion
            The model that is champion now.
        job_status
            Status of the challenger's training job as SageMaker says it, None when there is no such job.
        verdict
            The verdict in the challenger's card, None without a card or a verdict.
        """
        if champion != self.parent:
            return Standing.SUPERSEDED
        if verdict is not None:
            if not verdict.get("promote"):
                return Standing.LOST
            return Standing.REJECTED if is_rejected_by_a_person(verdict) else Standing.WON
        if job_status is None:
            return Standing.NOT_STARTED
        if job_status == "Completed":
            return Standing.UNJUDGED
        return Standing.TRAINING if job_status == "InProgress" else Standing.FAILED
