"""What a challenger learns: answers that are new, old images to replay, and none that was replaced since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.records.content import replaced
from secondlook.records.learned_answers import LearnedAnswers
from secondlook.records.training_data import TrainingDataReader, held_out_images, tell_replaced
from secondlook.training.material import Material

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.records.training_data import Answers
    from secondlook.settings import TrainingSettings
    from secondlook.training import ManifestLine, ModelCard
    from secondlook.training.material import Drawn


class Learning:
    """The answers that a champion has not learned, and what they are mixed with.

    Parameters
    ----------
    store
        The deployment's bucket.
    layout
        Where things lie in it.
    parent
        Card of the champion.
    holdout_version
        Images of this holdout are kept out.
    log
        The task's log.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, parent: ModelCard, holdout_version: str, log: Any
    ) -> None:
        self._store = store
        self._parent = parent
        self._log = log
        self._reader = TrainingDataReader(store, layout, parent.labels, log)
        self._learned = LearnedAnswers(store, layout, parent.model)
        self._held_out = held_out_images(store, layout, holdout_version)

    def new_answers(self) -> Answers:
        """Return the answers of all nights that neither the champion nor its ancestors have learned."""
        return self._reader.new_answers(self._learned, self._held_out)

    def draw(self, answers: Answers, settings: TrainingSettings) -> Drawn:
        """Return the images of a training, none of which was replaced since it was labelled.

        Only images that were drawn are looked at, and others are drawn in the place of those replaced.

        Raises
        ------
        TrainingDataError
            Too many were replaced for it to be a matter of single images.
        """
        learned = self._reader.learned(self._parent.data.learned_manifests, self._held_out)
        bootstrap = self._reader.bootstrap_validation()
        # A manifest that grew after it was learned has lines of both kinds.
        new = set(answers.lines)
        old = tuple(line for line in learned if line not in new)
        material = Material.of(answers.lines, old, bootstrap, settings.validation_share)
        looked_at: set[ManifestLine] = set()
        stale: set[str] = set()
        while True:
            drawn = material.draw(settings.replay_ratio, control=settings.control_arm)
            unseen = drawn.images - looked_at
            looked_at |= unseen
            found = set(replaced(self._store, sorted(unseen, key=lambda line: line.image)))
            if not found:
                tell_replaced(stale, len(looked_at), self._log)
                self._log.info(
                    "%d new answers of %d nights, %d replayed old images, %d images for validation.",
                    *(drawn.new, len(answers.manifests), len(drawn.challenger) - drawn.new),
                    len(drawn.validation),
                )
                return drawn
            stale |= found
            material = material.without(stale)
