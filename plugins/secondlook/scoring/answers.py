"""How an endpoint may fail to answer about an image."""

from __future__ import annotations

from secondlook.failures.exceptions import SecondLookError
from secondlook.scoring.quarantine import ANOTHER_FORM, way_of_status

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
