"""How a human loop ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from secondlook.failures.exceptions import RecordError
from secondlook.review.human_loops import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondlook.review.human_loops import HumanLoop

Ending = Literal["completed", "failed", "expired", "stopped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a human loop ended.

    ``status`` is the service's word (Completed, Failed, Stopped, or Deleted for a loop that is gone),
    ``outcome`` ours; ``output`` is the address of its output document, None when the service named none.
    """

    image: str
    loop: str
    status: str
    outcome: Ending
    failure_code: str | None = None
    failure_reason: str | None = None
    output: str | None = None

    @classmethod
    def of_loop(cls, image: str, loop: HumanLoop) -> Outcome:
        """Return the outcome of an ended loop.

        A loop that no reviewer took in time is ``Failed`` with the code ``Expired``; a deleted one counts as
        stopped.
        """
        endings: dict[str, Ending] = {"Completed": "completed", "Stopped": "stopped", DELETED: "stopped"}
        expired = loop.failure_code == "Expired"
        return cls(
            image=image,
            loop=loop.name,
            status=loop.status,
            outcome="expired" if expired else endings.get(loop.status, "failed"),
            failure_code=loop.failure_code,
            failure_reason=loop.failure_reason,
            output=loop.output_uri,
        )

    def to_record(self) -> dict[str, Any]:
        """Return the line of ``outcomes.jsonl``."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        """Read the line of ``outcomes.jsonl``.

        Raises
        ------
        RecordError
            Naming the loop when a member is missing or unknown.
        """
        try:
            return cls(**record)
        except TypeError as error:
            raise RecordError(
                f"The outcome of loop {record.get('loop', 'without name')} cannot be read ({error});"
                " wait again."
            ) from error
