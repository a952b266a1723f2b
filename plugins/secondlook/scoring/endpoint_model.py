"""The model behind an endpoint: what it says about an image, and whether it answers at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from include.formats.images import header_size
from secondlook.detection import Prediction
from secondlook.detection.answer import ACCEPT
from secondlook.failures.exceptions import ModelFaultError, PredictionError
from secondlook.scoring.answers import ANSWERED, EndpointUnavailableError, UnusableAnswerError
from secondlook.scoring.control import CONTROL_NAME, CONTROL_SIZE, control_image
from secondlook.scoring.quarantine import shown
from secondlook.stored import Content

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Between two control images while the container fails: three minutes together. One that an image has killed
# is started again, and loads its model, in that time.
CONTROL_DELAYS_SECONDS: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30, 30, 30, 30, 30)


class Endpoint(Protocol):
    """What answers requests, such as an :class:`secondlook.hooks.endpoint.EndpointHook`."""

    @property
    def name(self) -> str:
        """Its name."""

    def invoke(self, body: bytes, content_type: str, accept: str) -> bytes:
        """Return the answer. Raises UnusableAnswerError or EndpointUnavailableError."""


class EndpointModel:
    """A detector behind an endpoint; safe to call from many threads.

    Parameters
    ----------
    endpoint
        The endpoint.
    model
        Id of the model it serves, written into each prediction.
    labels
        How many labels there are; None: answers are not compared with it.
    wait
        Waits so many seconds between two control images.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        labels: int | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self.model = model
        self._labels = labels
        self._wait = wait

    @property
    def place(self) -> str:
        """The model and where it runs, as the start of a sentence."""
        return f"The model {self.model} on the endpoint {self._endpoint.name}"

    def predict(self, image: str, content: Content, content_type: str) -> Prediction:
        """Return what the model says about the bytes of an image.

        Raises
        ------
        UnusableAnswerError
            It says nothing of use.
        EndpointUnavailableError
            Throttled, out of order or unreachable after all retries.
        """
        payload = self._endpoint.invoke(content.data, content_type, ACCEPT)
        try:
            return Prediction.from_response(
                image,
                content.etag,
                self.model,
                payload,
                sha256=content.sha256,
                file_size=lambda: header_size(content.data),
                labels=self._labels,
            )
        except PredictionError as error:
            raise UnusableAnswerError(str(error), ANSWERED, shown(payload)) from error

    def check(self, delays_seconds: Sequence[float] | None = None, *, at_fault: bool = False) -> None:
        """Ask about the control image, and read the answer.

        Parameters
        ----------
        delays_seconds
            Waited for one after the other while the container fails.
        at_fault
            Whether a container that failed all the while is at fault, and not only out of order.

        Raises
        ------
        ModelFaultError
            The model refuses the control image, or answers in another form or about another size.
        EndpointUnavailableError
            The container failed all the while, or the endpoint is out of order.
        """
        content = Content(control_image(), "control")
        delays = iter(CONTROL_DELAYS_SECONDS if delays_seconds is None else delays_seconds)
        while True:
            try:
                found = self.predict(CONTROL_NAME, content, "image/jpeg")
                break
            except UnusableAnswerError as error:
                if not error.of_server:
                    raise self._at_fault(f"with {error.way}: {error.said}") from error
                delay = next(delays, None)
                if delay is None and at_fault:
                    raise self._at_fault(f"with {error.way}: {error.said}") from error
                if delay is None:
                    raise self._out_of_order(error) from error
                self._wait(delay)
        if (found.width, found.height) != CONTROL_SIZE:
            size, drawn = f"{found.width} x {found.height}", "{} x {}".format(*CONTROL_SIZE)
            raise self._at_fault(f"as one of {size} pixels where it has {drawn}")

    def _at_fault(self, how: str) -> ModelFaultError:
        return ModelFaultError(
            f"{self.place} does not answer as the object detection algorithm does: it answered about a "
            f"control image {how.rstrip('.')}. Correct the model's container (image_uri) or the labels in "
            "the settings, delete the endpoint if neither image nor artifact gets another address, then "
            "clear the task `deploy` (or `deploy_champion`) and what follows."
        )

    def _out_of_order(self, error: UnusableAnswerError) -> EndpointUnavailableError:
        return EndpointUnavailableError(
            f"{self.place} fails on every image, a control image included, with {error.way}: {error.said} "
            "(finished parts are kept; look at the endpoint's log, then clear the task to go on)."
        )
