"""The ledger of a night: written once, before a loop starts, and followed by every later launch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import ReviewInputError, SecondLookError
from secondlook.hooks.s3 import ObjectChangedError
from secondlook.records.content import with_content
from secondlook.review.selector import additions, distinct, not_asked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.detection import Prediction
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.records.budgets import ReviewBudget
    from secondlook.records.reviews import ReviewRecords
    from secondlook.review import LedgerLine, NightSelector, ScoredNight, SelectionSettings
    from secondlook.runtime.notes import TaskNote
    from secondlook.runtime.task_log import Log


class SelectedImageError(SecondLookError):
    """An image that was selected for review is gone, or replaced since it was scored."""


class RoundChangedError(SecondLookError):
    """A run is to add to the ledger of another review round."""


class NightLedger:
    """Makes a night's ledger, or follows the one there is, or adds to it when a person wants that.

    ``store`` is the bucket of the images; ``note`` gets what a person should know about the selection.
    """

    def __init__(
        self,
        selector: NightSelector,
        store: ObjectStore,
        records: ReviewRecords,
        budget: ReviewBudget,
        *,
        note: TaskNote,
        log: Log,
    ) -> None:
        self._selector = selector
        self._store = store
        self._records = records
        self._budget = budget
        self._note = note
        self._log = log
        self._night = selector.night
        self._limit = selector.review.limit

    def lines(self, predictions: ScoredNight, *, choose_again: bool) -> list[LedgerLine] | None:
        """Return the lines of the night's ledger; None when there is none and no review is allowed.

        Parameters
        ----------
        predictions
            The night's, which are read at most once.
        choose_again
            Whether to add to a ledger what the run's settings select beside it, up to the limit.

        Raises
        ------
        SelectedImageError
            A selected image is no longer the one that was scored.
        RoundChangedError
            The ledger to be added to is of another review round.
        """
        if self._records.has_ledger():
            lines = self._extended(predictions) if choose_again else self._followed(predictions)
        elif self._limit:
            lines = self._written(predictions)
        else:
            predictions.read_to_the_end()
            self._note.warn(
                f"No image of {self._night} goes to review, because review_limit is 0. That decides nothing: "
                "a later run of the night with a higher limit selects and launches."
            )
            return None
        predictions.read_to_the_end()
        self._log_selection([line for line in lines if line.asked], predictions)
        return lines

    def _written(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Write the night's first ledger."""
        lines, settings = self._made(predictions)
        try:
            self._records.write_ledger(lines, settings)
        except ObjectChangedError:
            # Two runs of the night at once: the one whose ledger was first is followed by both.
            return self._followed(predictions)
        return lines

    def _made(self, predictions: ScoredNight) -> tuple[list[LedgerLine], SelectionSettings]:
        """Return the lines of a new ledger, and what they were selected by: perhaps by a run that died."""
        if not self._budget.in_use():
            return self._select(predictions, self._limit), self._settings(predictions)
        selection = self._budget.read_selection()
        if selection is None:
            own = self._select(predictions, self._limit)
            settings = self._settings(predictions)
            selection = self._budget.select(own, self._limit, self._asks_the_same, settings)
        else:
            self._log.info(
                "The selection of %s is fixed in %s; a run with choose_again adds to it.",
                *(self._night, self._budget.selection_uri),
            )
            settings = self._settings(predictions)
        lines = self._budget.reserve(selection)
        if selection.chosen_by is not None:
            self._tell_differences(selection.chosen_by, settings, sum(line.asked for line in lines))
        return lines, selection.chosen_by or settings

    def _followed(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Follow the ledger there is, and say so where this run would have selected by something else."""
        ledger = self._records.written()
        asked = sum(line.asked for line in ledger.lines)
        self._log.info("The ledger of %s exists: its %d reviews are used as they are.", self._night, asked)
        own = next((line for line in ledger.lines if line.from_night is None), None)
        if own and own.round != self._selector.review.round:
            self._log.warning(
                "The ledger of %s was written for round %d, not %d; move it away to launch another round.",
                *(self._night, own.round, self._selector.review.round),
            )
        elif own and own.model != self._selector.model:
            self._log.warning(
                "The ledger of %s was written for model %s, not for %s.",
                *(self._night, own.model, self._selector.model),
            )
        if ledger.chosen_by is not None:
            self._tell_differences(ledger.chosen_by, self._settings(predictions), asked)
        return ledger.lines

    def _extended(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Return the ledger with what this run selects beside what is asked already.

        Settings that the ledger has seen add nothing, so a retry comes to the same.
        """
        ledger = self._records.written()
        asked = [line for line in ledger.lines if line.asked]
        round = self._selector.review.round
        if any(line.round != round for line in asked if line.from_night is None):
            raise RoundChangedError(
                f"choose_again adds to a review round of {self._night}, and round {round} is another one: "
                "restore the setting review.round, or launch without choose_again."
            )
        room = max(0, self._limit - len(asked))
        new = additions(self._select(not_asked(predictions, asked), room), ledger.lines)
        settings = self._settings(predictions)
        if not new or settings == ledger.chosen_by:
            self._log.info(
                "Nothing is added to the %d reviews of %s: review_limit is %d.",
                *(len(asked), self._night, self._limit),
            )
            return ledger.lines
        waiting = {line.loop for line in ledger.lines if not line.asked}
        new = self._budget.reserve_more(new, waiting)
        loops = {line.loop for line in new}
        lines = [*(line for line in ledger.lines if line.loop not in loops), *new]
        try:
            self._records.extend_ledger(ledger, lines, settings)
        except ObjectChangedError:
            lines = self._followed(predictions)
            self._budget.give_up(new, waiting, lines)
            return lines
        added = sum(line.asked for line in new)
        self._note.add(f"Chosen again: {added} reviews are added to the {len(asked)} of {self._night}.")
        return lines

    def _select(self, predictions: Iterable[Prediction], limit: int) -> list[LedgerLine]:
        """Select images, and read those whose content is unknown: a batch transform does not send them."""
        selected = self._selector.select(predictions, limit)
        known, unknown = with_content(self._store, [image.prediction for image in selected])
        if unknown:
            raise SelectedImageError(
                f"{len(unknown)} of the images selected for review are no longer those that were scored, for "
                f"example: {unknown[0]} Or clear the task that scores the night, and what follows."
            )
        kept = distinct(selected, known)
        if len(kept) < len(selected):
            copies = len(selected) - len(kept)
            self._log.info("%d of the selected images are copies of others: people see each once.", copies)
        return self._selector.lines(kept)

    def _settings(self, predictions: ScoredNight) -> SelectionSettings:
        """Return what this run selects by; reads the predictions to their end."""
        predictions.read_to_the_end()
        return self._selector.settings(predictions.images)

    def _asks_the_same(self, line: LedgerLine, night: str) -> bool:
        """Whether a line that an earlier night postponed still asks what it would have asked then."""
        try:
            line.input_content(labels=self._selector.labels, night=night)
        except ReviewInputError as error:
            self._log.warning("Not taken up: %s", error)
            return False
        return True

    def _tell_differences(self, before: SelectionSettings, now: SelectionSettings, asked: int) -> None:
        differences = now.differences(before)
        if differences:
            self._note.warn(
                f"This run's review settings have no effect: the {asked} reviews of {self._night} were "
                f"chosen before, by {'; '.join(differences)}. To choose by this run's settings among the "
                "images not asked about yet, trigger the night again with the parameter choose_again = true."
            )

    def _log_selection(self, asked: list[LedgerLine], predictions: ScoredNight) -> None:
        chosen = Counter(line.policy for line in asked if line.reason == "policy")
        policies = ", ".join(f"{count} chosen by the policy {name}" for name, count in chosen.items())
        self._log.info(
            "Night %s: %d of %d images go to human review, %s and %d by audit; "
            "the published rule (top score below 0.5) would have asked about %d.",
            *(self._night, len(asked), predictions.images),
            *(policies or f"0 chosen by the policy {self._selector.review.policy}",),
            *(sum(line.reason == "audit" for line in asked), predictions.published_rule),
        )
