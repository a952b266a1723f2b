"""Scoring one image with an endpoint: a prediction, or the reason why there is none."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Protocol

from include.formats.images import content_type, decodes
from secondlook.scoring.answers import UnusableAnswerError
from secondlook.scoring.outcomes import Quarantined, Unanswered, not_an_image, refused_by_size, unanswered
from secondlook.stored import ObjectMissingError

if TYPE_CHECKING:
    from secondlook.detection import Prediction
    from secondlook.scoring.endpoint_model import EndpointModel
    from secondlook.stored import Content, StoredObject


class Images(Protocol):
    """Where images are, such as a :class:`secondlook.hooks.s3.ObjectStore`."""

    def uri(self, key: str) -> str:
        """Return the address of a key."""

    def read(self, key: str, *, if_match: str | None = None) -> Content:
        """Return an object of this version. Raises ObjectMissingError or StoreError."""


class ImageScorer:
    """Scores images of one bucket with one endpoint; safe to call from many threads.

    :param store: where the images are.
    :param model: the model behind the endpoint.
    """

    def __init__(self, store: Images, model: EndpointModel) -> None:
        self._store = store
        self._model = model
        # A decoded image may take a hundred times its file: one at a time.
        self._decoding = Lock()

    def score(self, item: StoredObject) -> Prediction | Quarantined | Unanswered:
        """Score one version of one image; what is no JPEG or PNG by its first bytes is not sent.

        Raises
        ------
        EndpointUnavailableError
            Throttled, out of order or unreachable after all retries.
        StoreError
            S3 cannot be read, or the image was replaced since it was listed.
        """
        image = self._store.uri(item.key)
        refused = refused_by_size(image, item)
        if refused is not None:
            return refused
        try:
            content = self._store.read(item.key, if_match=item.etag)
        except ObjectMissingError:
            reason = f"{image} was deleted after it was listed: upload it again if it is still wanted."
            return Quarantined(image, item.etag, "unreadable", reason)
        kind = content_type(content.data)
        if kind is None:
            return not_an_image(image, content.etag, content.sha256)
        try:
            return self._model.predict(image, content, kind)
        except UnusableAnswerError as error:
            with self._decoding:
                decodable = decodes(content.data)
            return unanswered(image, content.etag, content.sha256, error, decodable)
