"""The records of a night's reviews in S3: what was asked (ledger) and how it ended (outcomes)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from secondlook import jsonl
from secondlook.errors import SecondLookError
from secondlook.hooks.store import ObjectMissingError
from secondlook.layout import check_night
from secondlook.review import LedgerLine, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.hooks.store import ObjectStore
    from secondlook.layout import Layout

# Metadata of the ledger object: when it was written. Within its bytes it would make two equal nights differ.
_LAUNCHED_AT = "launched-at"


class LedgerMissingError(SecondLookError):
    """The night has no ledger: nobody was asked yet."""


class ReviewRecords:
    """Ledger and outcomes of one night.

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

    def has_ledger(self) -> bool:
        """Say whether the night's images were chosen already."""
        return self._store.exists(self.ledger_key)

    def write_ledger(self, lines: Sequence[LedgerLine]) -> None:
        """Write the ledger, once.

        Raises
        ------
        ObjectChangedError
            There is one already; it stays as it is.
        """
        data = jsonl.encode(line.to_record() for line in lines)
        metadata = {_LAUNCHED_AT: datetime.now(UTC).isoformat()}
        self._store.write_if_absent(self.ledger_key, data, metadata=metadata)

    def ledger(self) -> list[LedgerLine]:
        """Return what was asked, best-ranked first; deferred lines are left out. Raises like ``lines``."""
        return [line for line in self.lines() if line.asked]

    def lines(self) -> list[LedgerLine]:
        """Return all lines of the ledger, those that were deferred too.

        Raises
        ------
        LedgerMissingError
            The task that starts the reviews has not run.
        """
        try:
            records, _ = self._store.read_jsonl(self.ledger_key)
        except ObjectMissingError as error:
            raise LedgerMissingError(
                f"{self._store.uri(self.ledger_key)} does not exist: run the task that launches the "
                f"reviews of {self.night} first."
            ) from error
        return [LedgerLine.from_record(record) for record in records]

    def launched_at(self) -> datetime | None:
        """Return when the ledger was written; None when it was restored by hand, without its metadata."""
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
