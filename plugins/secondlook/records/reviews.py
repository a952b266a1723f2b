"""The records of a night's reviews in S3: what was asked (ledger) and how it ended (outcomes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.s3 import ObjectMissingError
from secondlook.layout import check_night
from secondlook.records.document import Document
from secondlook.review import LaunchSummary, LedgerLine, Outcome, SelectionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout

# Metadata of the ledger object: when it was written, and with which settings its lines were selected (last).
# Within its bytes they would make two equal nights differ.
_LAUNCHED_AT = "launched-at"
_CHOSEN_BY = "chosen-by"


class LedgerMissingError(SecondLookError):
    """The night has no ledger: its reviews were not launched yet."""


@dataclass(frozen=True)
class WrittenLedger:
    """A ledger as it lies in S3, with its metadata."""

    lines: list[LedgerLine]
    etag: str
    metadata: dict[str, str]

    @property
    def chosen_by(self) -> SelectionSettings | None:
        """What its lines were selected by, the latest if by several runs; None where that is not known."""
        return SelectionSettings.from_text(self.metadata.get(_CHOSEN_BY, ""))


class ReviewRecords:
    """Ledger, outcomes and launch summary of one night.

    Raises
    ------
    NightError
        When ``night`` is no date.
    """

    def __init__(self, store: ObjectStore, layout: Layout, night: str) -> None:
        self._store = store
        self.night = check_night(night)
        self.ledger_key = layout.ledger(night)
        self.outcomes_key = layout.outcomes(night)
        self.ledger_uri = store.uri(self.ledger_key)
        self._summary_key = layout.launch_summary(night)

    def has_ledger(self) -> bool:
        """Say whether the night's images were selected already."""
        return self._store.exists(self.ledger_key)

    def write_ledger(self, lines: Sequence[LedgerLine], chosen_by: SelectionSettings) -> None:
        """Write the ledger, once.

        Raises
        ------
        ObjectChangedError
            There is one already; it stays as it is.
        """
        metadata = {_LAUNCHED_AT: datetime.now(UTC).isoformat(), _CHOSEN_BY: chosen_by.to_text()}
        self._store.write_if_absent(self.ledger_key, _encode(lines), metadata=metadata)

    def extend_ledger(
        self, written: WrittenLedger, lines: Sequence[LedgerLine], chosen_by: SelectionSettings
    ) -> None:
        """Write a ledger in place of the one that was read; its reviews are waited for from the first on.

        Raises
        ------
        ObjectChangedError
            It is no longer the one that was read; it stays as it is.
        """
        metadata = {**written.metadata, _CHOSEN_BY: chosen_by.to_text()}
        self._store.compare_and_swap(self.ledger_key, _encode(lines), written.etag, metadata=metadata)

    def written(self) -> WrittenLedger:
        """Return the ledger with its ETag and what is known about it. Raises like :meth:`lines`."""
        records, etag = self._read()
        head = self._store.head(self.ledger_key)
        metadata = head.metadata if head and head.etag == etag else {}
        return WrittenLedger([LedgerLine.from_record(record) for record in records], etag, dict(metadata))

    def asked(self) -> list[LedgerLine]:
        """Return the lines that people are asked about, best-ranked first; postponed ones are left out.

        There are none for a night whose latest launch was allowed no review, and so wrote no ledger. Raises
        like :meth:`lines`.
        """
        try:
            return [line for line in self.lines() if line.asked]
        except LedgerMissingError:
            summary = self._summary().read()
            if summary is not None and summary.ledger is None:
                return []
            raise

    def lines(self) -> list[LedgerLine]:
        """Return all lines of the ledger, the postponed ones too.

        Raises
        ------
        LedgerMissingError
            The task that launches the reviews has not run.
        """
        records, _ = self._read()
        return [LedgerLine.from_record(record) for record in records]

    def _read(self) -> tuple[list[dict[str, Any]], str]:
        try:
            return self._store.read_jsonl(self.ledger_key)
        except ObjectMissingError as error:
            raise LedgerMissingError(
                f"{self._store.uri(self.ledger_key)} does not exist: run the task that launches the "
                f"reviews of {self.night} first."
            ) from error

    def write_summary(self, summary: LaunchSummary) -> LaunchSummary:
        """Write the counts of the latest launch, and return them."""
        self._store.write(self._summary_key, summary.to_json())
        return summary

    def _summary(self) -> Document[LaunchSummary]:
        return Document(self._store, self._summary_key, LaunchSummary)

    def launched_at(self) -> datetime | None:
        """Return when the ledger was written; None when a person restored it without its metadata."""
        head = self._store.head(self.ledger_key)
        launched = head.metadata.get(_LAUNCHED_AT) if head else None
        return datetime.fromisoformat(launched) if launched else None

    def outcomes(self) -> dict[str, Outcome] | None:
        """Return how the loops ended, by loop name; None when that is not recorded yet."""
        try:
            records, _ = self._store.read_jsonl(self.outcomes_key)
        except ObjectMissingError:
            return None
        return {outcome.loop: outcome for outcome in map(Outcome.from_record, records)}

    def write_outcomes(self, outcomes: Iterable[Outcome]) -> str:
        """Write how the loops ended, in the ledger's order; return the address."""
        data = jsonl.encode(outcome.to_record() for outcome in outcomes)
        self._store.write(self.outcomes_key, data)
        return self._store.uri(self.outcomes_key)


def _encode(lines: Sequence[LedgerLine]) -> bytes:
    return jsonl.encode(line.to_record() for line in lines)
