"""SageMaker endpoints: InvokeEndpoint, with what the container itself says about a failure."""

from __future__ import annotations

import json

from botocore.exceptions import BotoCoreError, ClientError

from secondlook.failures.aws import error_code, error_message, error_status
from secondlook.hooks.clients import SageMakerRuntimeHook
from secondlook.scoring.answers import EndpointUnavailableError, UnusableAnswerError
from secondlook.scoring.quarantine import shown


class EndpointHook:
    """One SageMaker endpoint; safe to call from many threads.

    Example:

        detector = EndpointHook("cells", aws_conn_id="aws_default")
        answer = detector.invoke(image, "image/jpeg", "application/json")

    :param name: the endpoint.
    :param aws_conn_id: Airflow connection.
    :param region_name: AWS Region; the connection's when None.
    """

    def __init__(
        self, name: str, aws_conn_id: str | None = "aws_default", region_name: str | None = None
    ) -> None:
        self.name = name
        self._client = SageMakerRuntimeHook(aws_conn_id, region_name).client

    def invoke(self, body: bytes, content_type: str, accept: str) -> bytes:
        """Send a request and return the answer of the model's container.

        :param body: at most 6 MiB.
        :param content_type: MIME type of the body.
        :param accept: MIME type of the answer.
        :raises UnusableAnswerError: the container refused the request or failed on it.
        :raises EndpointUnavailableError: throttled, out of order or unreachable after all retries.
        """
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self.name, Body=body, ContentType=content_type, Accept=accept
            )
            return bytes(answer["Body"].read())
        except ClientError as error:
            raise self._unusable(error) or self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error

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
            f"The endpoint {self.name} did not score ({detail}): finished parts "
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
