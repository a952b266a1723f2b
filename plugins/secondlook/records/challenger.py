"""The challenger that is being trained or judged, as S3 and SageMaker tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.hooks.s3 import ObjectMissingError
from secondlook.records.models import NoCardError, read_card
from secondlook.training import CandidateRecord, Standing

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker
    from secondlook.layout import Layout


class CandidateBook:
    """Reads and writes ``training/candidate.json``, and looks up where its challenger stands."""

    def __init__(self, store: ObjectStore, layout: Layout, sagemaker: SageMaker) -> None:
        self._store = store
        self._layout = layout
        self._sagemaker = sagemaker
        self.uri = store.uri(layout.candidate())

    def read(self) -> tuple[CandidateRecord | None, str]:
        """Return the record and its ETag; None and an empty text before the first training.

        Raises
        ------
        RecordError
            It cannot be read.
        """
        try:
            data, etag = self._store.read(self._layout.candidate())
        except ObjectMissingError:
            return None, ""
        return CandidateRecord.from_json(data, source=self.uri), etag

    def claim(self, record: CandidateRecord, etag: str) -> None:
        """Write the record in place of the one that was read with this ETag.

        Raises
        ------
        ObjectChangedError
            Another run was faster.
        """
        key = self._layout.candidate()
        if etag:
            self._store.compare_and_swap(key, record.to_json(), etag)
        else:
            self._store.write_if_absent(key, record.to_json())

    def standing(self, record: CandidateRecord, champion: str) -> Standing:
        """Say where the challenger of a record stands while ``champion`` is in service."""
        try:
            verdict = read_card(self._store, self._layout, record.challenger).verdict
        except NoCardError:
            verdict = None
        job = self._sagemaker.job("training", record.challenger)
        return record.standing(champion, job.status if job else None, verdict)
