"""Waiting until the challenger of another night is decided."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from secondlook.hooks.s3 import ObjectStore
from secondlook.jobs.turn import is_decided
from secondlook.layout import Layout
from secondlook.triggers.polling import PollingTrigger


class ChallengerTrigger(PollingTrigger):
    """Fires when a challenger is decided, or another one has taken its place.

    It has no ``on_kill``: the challenger's training job is the other night's.

    :param bucket: S3 bucket of the deployment.
    :param prefix: the deployment's prefix in it.
    :param challenger: the model to wait for.
    """

    def __init__(self, *, bucket: str, prefix: str, challenger: str, **polling: Any) -> None:
        super().__init__(**polling)
        self.bucket = bucket
        self.prefix = prefix
        self.challenger = challenger

    @property
    def what(self) -> str:
        """The decision."""
        return f"the decision about {self.challenger}"

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        own = {name: getattr(self, name) for name in ("bucket", "prefix", "challenger")}
        return {**own, **super().arguments()}

    def is_over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return is_decided(self._store, Layout(self.bucket, self.prefix), self.sagemaker, self.challenger)

    @cached_property
    def _store(self) -> ObjectStore:
        return ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
