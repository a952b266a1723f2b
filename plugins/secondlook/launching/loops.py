"""Starting the human loops of a ledger: each once, the highest-ranked first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.hooks.a2i import InvalidLoopError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from secondlook.hooks.a2i import A2IHook
    from secondlook.launching.flow import ReviewFlow
    from secondlook.review import LedgerLine
    from secondlook.runtime.pace import Pace
    from secondlook.runtime.task_log import Log

PROGRESS_EVERY = 50


@dataclass
class StartedLoops:
    """What became of a ledger's loops: ``without_room`` are lines that the budget has no place for."""

    started: int
    adopted: int
    without_room: list[LedgerLine]


class LoopStarter:
    """Starts the human loops of a night, one after another; what exists already is adopted.

    When something stops it half-way, the most useful reviews have started.

    ``labels`` are all labels, index = class id.
    """

    def __init__(
        self,
        service: A2IHook,
        flow: ReviewFlow,
        *,
        night: str,
        labels: Sequence[str],
        pace: Pace,
        log: Log,
    ) -> None:
        self._service = service
        self._flow = flow
        self._night = night
        self._labels = labels
        self._pace = pace
        self._log = log

    def existing(self, ledger: Sequence[LedgerLine], ended: Collection[str]) -> frozenset[str]:
        """Return the loops that were started before; ``ended`` are those whose outcome is recorded.

        A loop that has ended may be deleted by now; its outcome keeps it from being started again.
        """
        return frozenset(
            line.loop
            for line in ledger
            if line.loop in ended or self._service.describe(line.loop) is not None
        )

    def start(
        self,
        ledger: Sequence[LedgerLine],
        existing: Collection[str],
        reserved: Collection[str] | None,
        release: Callable[[str], None],
    ) -> StartedLoops:
        """Start the loops that are missing.

        Parameters
        ----------
        ledger
            The lines that ask, best-ranked first.
        existing
            Loops that were started before.
        reserved
            Loops that the budget has a place for; None when there is no budget.
        release
            Gives back the place of a loop that surely never started.

        Raises
        ------
        InvalidLoopError
            The service refuses a loop.
        HumanReviewError
            The service cannot start it now.
        """
        done = StartedLoops(0, 0, [])
        for line in ledger:
            if line.loop in existing:
                done.adopted += 1
            elif reserved is not None and line.loop not in reserved:
                done.without_room.append(line)
            elif self._start(line, release):
                done.started += 1
            else:
                done.adopted += 1
            total = done.started + done.adopted
            if total % PROGRESS_EVERY == 0 or total == len(ledger):
                self._log.info(
                    "%d of %d human loops: %d started, %d existed already.",
                    *(total, len(ledger), done.started, done.adopted),
                )
        return done

    def _start(self, line: LedgerLine, release: Callable[[str], None]) -> bool:
        """Start the loop of a line; return False when it exists with another input."""
        content = line.input_content(labels=self._labels, night=self._night)
        self._pace.wait()
        try:
            started = self._service.start(self._flow.active.arn, line.loop, content)
        except InvalidLoopError:
            if self._service.describe(line.loop) is None:
                # No reviewer can have seen it: what was kept for it is free for others.
                release(line.loop)
            raise
        if not started:
            self._log.warning(
                "The human loop %s of %s exists with another input; it is adopted as it is.",
                *(line.loop, line.image),
            )
        return started
