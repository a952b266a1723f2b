"""Waiting until an endpoint's deployment has ended."""

from __future__ import annotations

from typing import Any

from secondlook.triggers.polling import PollingTrigger


class EndpointTrigger(PollingTrigger):
    """Fires when an endpoint is neither being created, updated, rolled back nor deleted.

    It stops nothing when the task is ended: an interrupted update would leave the endpoint half-way, and one
    that goes on ends by itself, in service with the new model or the old one.

    :param endpoint_name: name of the endpoint.
    """

    def __init__(self, *, endpoint_name: str, **polling: Any) -> None:
        super().__init__(**polling)
        self.endpoint_name = endpoint_name

    @property
    def what(self) -> str:
        """The endpoint."""
        return f"the endpoint {self.endpoint_name}"

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {"endpoint_name": self.endpoint_name, **super().arguments()}

    def is_over(self) -> bool:
        """Whether the endpoint stays as it is, or is gone."""
        endpoint = self.sagemaker.endpoint(self.endpoint_name)
        return endpoint is None or not endpoint.in_transition
