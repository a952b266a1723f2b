"""Waiting in the triggerer until the challenger of another night is decided."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async

from secondlook.hooks.s3 import ObjectStore
from secondlook.hooks.sagemaker import SageMaker
from secondlook.layout import Layout
from secondlook.records.challenger import ChallengerBook
from secondlook.records.models import read_champion
from secondlook.triggers.sagemaker import SageMakerPollingTrigger


class CandidateTrigger(SageMakerPollingTrigger):
    """Fires when a challenger is decided, or another one has taken its place.

    It has no ``on_kill``: the challenger's training job is the other night's.

    :param bucket: S3 bucket of the deployment.
    :param prefix: the deployment's prefix in it.
    :param champion_key: key of the champion pointer.
    :param challenger: the model to wait for.
    """

    def __init__(
        self, *, bucket: str, prefix: str, champion_key: str, challenger: str, **polling: Any
    ) -> None:
        super().__init__(**polling)
        self.bucket = bucket
        self.prefix = prefix
        self.champion_key = champion_key
        self.challenger = challenger

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "champion_key": self.champion_key,
            "challenger": self.challenger,
            **super().arguments(),
        }

    async def settled(self, client: Any) -> bool:
        """Whether there is nothing left to wait for."""
        return await sync_to_async(self._decided)()

    def _decided(self) -> bool:
        store, book = self._places
        record = book.read()
        if record is None or record.challenger != self.challenger:
            return True
        champion = read_champion(store, self.champion_key)
        return book.standing(record, champion.model).decided

    @cached_property
    def _places(self) -> tuple[ObjectStore, ChallengerBook]:
        store = ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
        sagemaker = SageMaker(self.aws_conn_id, self.region_name)
        return store, ChallengerBook(store, Layout(self.bucket, self.prefix), sagemaker)
