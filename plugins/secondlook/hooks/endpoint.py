"""The model behind an endpoint: what it answers about an image, and whether it answers at all."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from include.formats.images import header_size
from secondlook.detection import Prediction
from secondlook.failures.aws import error_code, error_message, error_status
from secondlook.failures.exceptions import ModelFaultError, PredictionError, SecondLookError
from secondlook.hooks.clients import SageMakerRuntimeHook
from secondlook.hooks.requests import TRANSFORM_ACCEPT
from secondlook.hooks.s3 import Content
from secondlook.scoring.control import CONTROL_NAME, CONTROL_SIZE, control_image
from secondlook.scoring.quarantine import ANOTHER_FORM, shown, way_of_status

if TYPE_CHECKING:
    from collections.abc import Sequence

# Between two control images while the container fails: three minutes together. One that an image has killed
# is started again, and loads its model, in that time.
CONTROL_DELAYS_SECONDS: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30, 30, 30, 30, 30)
ANSWERED = 200


class EndpointUnavailableError(SecondLookError):
    """The endpoint did not answer although the client tried several times; no image is to blame."""


class UnusableAnswerError(SecondLookError):
    """The model's container refused an image, failed on it or answered in another form.

    Attributes
    ----------
    status
        Its HTTP status: 200 of an answer in another form, 0 when it did not get that far.
    said
        What it said, safe to log.
    """

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said

    @property
    def of_server(self) -> bool:
        """Whether the container failed, for whatever reason, rather than refused the image."""
        return self.status in {0, 408} or self.status >= 500

    @property
    def way(self) -> str:
        """What it has in common with other failures of its kind."""
        return ANOTHER_FORM if self.status == ANSWERED else way_of_status(self.status)


class EndpointModel:
    """Asks an endpoint; safe to call from many threads.

    :param endpoint_name: the endpoint.
    :param model: id of the model it serves, written into each prediction.
    :param labels: how many labels there are; None: answers are not compared with it.
    """

    def __init__(
        self,
        endpoint_name: str,
        model: str,
        *,
        labels: int | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        self.endpoint_name = endpoint_name
        self.model = model
        self._labels = labels
        self._client = SageMakerRuntimeHook(aws_conn_id, region_name).client

    @property
    def place(self) -> str:
        """The model and where it runs, as the start of a sentence."""
        return f"The model {self.model} on the endpoint {self.endpoint_name}"

    def predict(self, image: str, content: Content, content_type: str) -> Prediction:
        """Return what the model says about the bytes of an image.

        Raises
        ------
        UnusableAnswerError
            It says nothing of use.
        EndpointUnavailableError
            Throttled, out of order or unreachable after all retries of the client.
        """
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self.endpoint_name,
                Body=content.data,
                ContentType=content_type,
                Accept=TRANSFORM_ACCEPT,
            )
            payload = answer["Body"].read()
        except ClientError as error:
            raise self._unusable(error) or self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error
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
                time.sleep(delay)
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

    def _unusable(self, error: ClientError) -> UnusableAnswerError | None:
        """What the container said for itself; None when the endpoint did not get that far."""
        if error_status(error) == 413:
            said = f"The endpoint does not take a file of this size ({error_message(error)})."
            return UnusableAnswerError(said, 413, shown(said))
        status = int(error.response.get("OriginalStatusCode") or 0)
        if error_code(error) != "ModelError" or status == 429:
            return None
        said = container_sentence(error)
        return UnusableAnswerError(said, status, shown(said))

    def _unavailable(self, error: ClientError | BotoCoreError) -> EndpointUnavailableError:
        detail = str(error)
        if isinstance(error, ClientError):
            detail = f"{error_code(error)}: {container_sentence(error)}"
        detail = detail.rstrip(".")
        return EndpointUnavailableError(
            f"The endpoint {self.endpoint_name} did not score ({detail}): finished parts "
            "are kept; look at the endpoint's log, then clear the task to go on."
        )


def container_sentence(error: ClientError) -> str:
    """What the model's container said, out of the JSON object it may have said it in."""
    said = str(error.response.get("OriginalMessage") or error_message(error)).strip()
    try:
        answer = json.loads(said)
    except ValueError:
        return said
    sentence = answer.get("message") if isinstance(answer, dict) else None
    return str(sentence or said).strip()
