"""The challenger that is being trained or judged, as S3 and SageMaker tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.records.document import Document
from secondlook.records.models import NoCardError, read_card
from secondlook.training import OpenChallenger, Standing

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker
    from secondlook.layout import Layout


class ChallengerBook:
    """Reads and writes ``training/challenger.json``, and looks up what has become of its challenger."""

    def __init__(self, store: ObjectStore, layout: Layout, sagemaker: SageMaker) -> None:
        self._store = store
        self._layout = layout
        self._sagemaker = sagemaker
        self._document = Document(store, layout.open_challenger(), OpenChallenger)
        self.uri = self._document.uri

    def read(self) -> OpenChallenger | None:
        """Return the open challenger; None before the first training.

        Raises
        ------
        RecordError
            The document cannot be read.
        """
        return self._document.read()

    def claim(self, mine: OpenChallenger, seen: OpenChallenger | None) -> bool:
        """Write a challenger in the place of the one that was seen; False when another run was faster."""
        return self._document.swap(lambda now: mine if now == seen or now is None else now) == mine

    def standing(self, challenger: OpenChallenger, champion: str) -> Standing:
        """Say what has become of a challenger while ``champion`` is in service."""
        try:
            verdict = read_card(self._store, self._layout, challenger.challenger).verdict
        except NoCardError:
            verdict = None
        job = self._sagemaker.job("training", challenger.challenger)
        return challenger.standing(champion, job.status if job else None, verdict)
