"""What a batch transform says about single images of a night, and what it means when it says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from include.formats.images import SIGNATURE_BYTES, content_type, decodes, header_size
from secondlook.detection import Prediction
from secondlook.failures.exceptions import PredictionError
from secondlook.hooks.s3 import ObjectMissingError
from secondlook.scoring import NO_ANSWER, Failure, shown
from secondlook.scoring.answers import ANSWERED, UnusableAnswerError
from secondlook.scoring.outcomes import Quarantined, Unanswered, not_an_image, refused_by_size, unanswered

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.records.wave_outputs import WaveOutputs


Outcome = Prediction | Quarantined | Unanswered


@dataclass(frozen=True)
class Absent:
    """What it means that images have no output at the end.

    ``sentence`` begins with the image; ``by_itself``: each is to blame by itself, no proof against a model.
    """

    sentence: str
    by_itself: bool = False


class TransformedImages:
    """The images of a night that a model transforms.

    :param store: the bucket that they are in.
    :param model: id of the model.
    :param labels: how many labels there are; None: answers are not compared with it.
    """

    def __init__(self, store: ObjectStore, model: str, labels: int | None) -> None:
        self._store = store
        self._model = model
        self._labels = labels
        # A decoded image may take a hundred times its file: one at a time.
        self._decoding = Lock()

    def wanted(self, item: StoredObject) -> bool:
        """Say whether an image goes into a transform, by its size and its first bytes."""
        if refused_by_size(self._store.uri(item.key), item) is not None:
            return False
        try:
            return content_type(self._store.read_start(item.key, SIGNATURE_BYTES)) is not None
        except ObjectMissingError:
            return False

    def decodes(self, item: StoredObject) -> bool:
        """Say whether an image can be decoded here."""
        try:
            data = self._store.read(item.key).data
        except ObjectMissingError:
            return True  # nothing is known against it
        with self._decoding:
            return decodes(data)

    def outcome(
        self, outputs: WaveOutputs, item: StoredObject, refused: Absent | None = None
    ) -> Outcome | None:
        """Return what became of an image; None when it has no output and ``refused`` does not say why."""
        image = self._store.uri(item.key)
        quarantined = refused_by_size(image, item)
        if quarantined is not None:
            return quarantined
        try:
            body = outputs.read(outputs.name(item.key))
        except ObjectMissingError:
            if not self.wanted(item):
                return not_an_image(image, item.etag)
            if refused is None:
                return None
            quarantined = Quarantined(image, item.etag, "unreadable", f"{image} {refused.sentence}")
            if refused.by_itself:
                return quarantined
            return Unanswered(
                quarantined, Failure(image, NO_ANSWER, shown(refused.sentence)), self.decodes(item)
            )
        try:
            return Prediction.from_response(
                image,
                item.etag,
                self._model,
                body,
                file_size=lambda: header_size(self._store.read(item.key).data),
                labels=self._labels,
            )
        except PredictionError as error:
            unusable = UnusableAnswerError(str(error), ANSWERED, shown(body))
            return unanswered(image, item.etag, None, unusable, self.decodes(item))
