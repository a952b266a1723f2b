"""Which of a night's images people see: chosen once, written to the ledger before anybody is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook.detection import Prediction
from secondlook.failures.exceptions import ReviewInputError, SecondLookError
from secondlook.hooks.s3 import ObjectChangedError
from secondlook.operators.base import is_template
from secondlook.operators.review_budget import BudgetedReviewsOperator
from secondlook.records.content import with_content
from secondlook.records.reviews import ReviewRecords
from secondlook.review import LedgerLine, ReviewChoice, ScoredNight, resolve_policy, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.review.selection import Selection


class NothingScoredError(SecondLookError):
    """There are no predictions of the night."""


class ChosenImageError(SecondLookError):
    """An image that was chosen for review is gone, or replaced since it was scored."""


class ReviewChoiceOperator(BudgetedReviewsOperator):
    """Base of an operator that asks people: it makes the night's ledger, or follows the one there is.

    :param model: id of the model whose predictions are read (templated).
    :param labels: all labels, index = class id (templated).
    :param review_policy: ``top_score``, ``uncertainty_sum``, ``random`` or ``package.module:Class``
        (templated).
    :param policy_params: keyword arguments of the policy (templated).
    :param review_limit: most images to ask about in this round (templated).
    :param audit_share: share of the limit chosen at random, 0 to 1 (templated).
    :param choose_again: for a night that has a ledger: whether to add to it what these arguments choose
        among the images that it does not ask about, up to the limit (templated).
    :param predraw_score: detections from this score on are drawn for the reviewer (templated).
    :param seed: seed of the lots (templated).
    """

    template_fields: Sequence[str] = (
        *BudgetedReviewsOperator.template_fields,
        "model",
        "labels",
        "review_policy",
        "policy_params",
        "review_limit",
        "audit_share",
        "choose_again",
        "predraw_score",
        "seed",
    )

    def __init__(
        self,
        *,
        model: str,
        labels: Sequence[str] | str,
        review_policy: str = "uncertainty_sum",
        policy_params: dict[str, Any] | str | None = None,
        review_limit: int | str = 100,
        audit_share: float | str = 0.1,
        choose_again: bool | str = False,
        predraw_score: float | str = 0.25,
        seed: int | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.labels = labels
        self.review_policy = review_policy
        self.policy_params = policy_params
        self.review_limit = review_limit
        self.audit_share = audit_share
        self.choose_again = choose_again
        self.predraw_score = predraw_score
        self.seed = seed

    @cached_property
    def records(self) -> ReviewRecords:
        """The night's ledger and outcomes (after rendering)."""
        return ReviewRecords(self.store, self.layout, self.night)

    def check_choice(self) -> None:
        """Check the literal arguments. Raises :class:`ArgumentError`."""
        self.check_budget()
        self.check_text("model", self.model)
        self.check_text("review_policy", self.review_policy)
        self.check_number("review_limit", self.review_limit, minimum=0)
        self.check_number("audit_share", self.audit_share, minimum=0, maximum=1)
        self.check_number("predraw_score", self.predraw_score, minimum=0, maximum=1)
        if not is_template(self.labels) and (isinstance(self.labels, str) or not self.labels):
            raise self.wrong("labels", f"must be a list of labels, not {self.labels!r}")
        if not is_template(self.policy_params) and not isinstance(self.policy_params, dict | None):
            raise self.wrong("policy_params", f"must be an object of parameters, not {self.policy_params!r}")

    def _predictions(self, model: str) -> ScoredNight:
        """Return the night's predictions, to be read once: a large night does not fit into memory."""
        folder = self.layout.predictions(self.night, model) + "/"
        listed = self.store.list_objects(self.layout.prediction_parts(self.night, model))
        parts = [item.key for item in listed]
        if not parts and not self.store.exists(self.layout.predictions_summary(self.night, model)):
            raise NothingScoredError(
                f"There are no predictions of model {model} for {self.night} under {self.store.uri(folder)}: "
                "run the task that scores the night first."
            )
        return ScoredNight(
            Prediction.from_record(record) for key in parts for record in self.store.read_jsonl(key)[0]
        )

    def _ledger(self, predictions: ScoredNight) -> list[LedgerLine] | None:
        """Return the lines of the night's ledger; None when there is none and no review is allowed."""
        if self.records.has_ledger():
            return self._extended_ledger(predictions) if self.choose_again else self._existing(predictions)
        if not int(self.review_limit):
            self.remark(
                f"No image of {self.night} is asked about, because review_limit is 0. Nothing is settled by "
                "that: a later run of the night with a higher limit chooses and asks."
            )
            return None
        if not self.budget.in_use(self.limits):
            lines = self._choose(predictions, int(self.review_limit))
            choice = self._choice(predictions)
        else:
            lines, choice = self._within_budget(predictions)
        try:
            self.records.write_ledger(lines, choice)
        except ObjectChangedError:
            # Two runs of the night at once: the one whose ledger was first is followed by both.
            return self._existing(predictions)
        return lines

    def _choice(self, predictions: ScoredNight) -> ReviewChoice:
        """Return what this run chooses by; reads the predictions to their end."""
        predictions.read_to_the_end()
        return ReviewChoice(
            review_policy=self.review_policy,
            policy_params=self.policy_params if isinstance(self.policy_params, dict) else {},
            review_limit=int(self.review_limit),
            audit_share=float(self.audit_share),
            model=self.model,
            images=predictions.images,
        )

    def _within_budget(self, predictions: ScoredNight) -> tuple[list[LedgerLine], ReviewChoice]:
        """Return the ledger that follows from the night's plan and what the budget has room for.

        With it comes what the plan was chosen by: an earlier run may have made it, and died.
        """
        plan = self.budget.read_plan()
        if plan is None:
            limit = int(self.review_limit)
            own = self._choose(predictions, limit)
            choice = self._choice(predictions)
            plan = self.budget.make_plan(own, limit, self.terms, self._askable, choice)
        else:
            self.log.info(
                "The choice of %s is fixed in %s; a run with choose_again adds to it.",
                *(self.night, self.store.uri(self.budget.plan_key)),
            )
            choice = self._choice(predictions)
        lines = self.budget.settle(plan, self.terms if plan.lines else self.limits)
        if plan.chosen_by is not None:
            self._tell_differences(plan.chosen_by, choice, sum(line.asked for line in lines))
        return lines, plan.chosen_by or choice

    def _askable(self, line: LedgerLine, night: str) -> bool:
        """Whether a line that an earlier night deferred still asks the same question."""
        try:
            line.input_content(labels=self.labels, night=line.from_night or night)
        except ReviewInputError as error:
            self.log.warning("Not taken up: %s", error)
            return False
        return True

    def _choose(self, predictions: Iterable[Prediction], limit: int) -> list[LedgerLine]:
        params = self.policy_params if isinstance(self.policy_params, dict) else {}
        policy = resolve_policy(self.review_policy, **params)
        selections = self._identified(
            select(predictions, policy, limit, float(self.audit_share), int(self.seed), self.night)
        )
        return [
            LedgerLine.from_selection(
                selection,
                flow=self.flow_definition_name,
                policy=policy.name,
                labels=self.labels,
                night=self.night,
                predraw_score=float(self.predraw_score),
                round=int(self.round),
            )
            for selection in selections
        ]

    def _identified(self, selections: list[Selection]) -> list[Selection]:
        """Return the choice with every image's SHA-256, each content once.

        A batch transform does not send the images through here: those that it answered about, and that
        people are to see, are read now.
        """
        chosen, unknown = with_content(self.store, [selection.prediction for selection in selections])
        if unknown:
            raise ChosenImageError(
                f"{len(unknown)} of the images chosen for review are no longer those that were scored, for "
                f"example: {unknown[0]} Or clear the task that scores the night, and what follows."
            )
        found = {prediction.sha256: prediction for prediction in reversed(chosen) if prediction}
        kept = [
            replace(selection, prediction=prediction)
            for selection, prediction in zip(selections, chosen, strict=True)
            if prediction is not None and found[prediction.sha256] is prediction
        ]
        if len(kept) < len(selections):
            self.log.info(
                "%d of the images chosen are copies of others: people see each once.",
                len(selections) - len(kept),
            )
        return [replace(selection, rank=rank) for rank, selection in enumerate(kept, start=1)]

    def _existing(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Follow the ledger there is, and say so where this run would have chosen by something else."""
        ledger = self.records.written()
        asked = sum(line.asked for line in ledger.lines)
        self.log.info("The ledger of %s exists: its %d reviews are used as they are.", self.night, asked)
        own = next((line for line in ledger.lines if line.from_night is None), None)
        if own and own.round != int(self.round):
            self.log.warning(
                "The ledger of %s was written for round %d, not %s; move it away to ask in another round.",
                *(self.night, own.round, self.round),
            )
        elif own and own.model != self.model:
            self.log.warning(
                "The ledger of %s was written for model %s, not for %s.", self.night, own.model, self.model
            )
        before, now = ledger.chosen_by, self._choice(predictions)
        if before is None and not ledger.lines:
            # Ledgers of an earlier version, when a limit of 0 made an empty one.
            before = replace(now, review_limit=0)
        if before is not None:
            self._tell_differences(before, now, asked)
        return ledger.lines

    def _tell_differences(self, before: ReviewChoice, now: ReviewChoice, asked: int) -> None:
        differences = now.differences(before)
        if differences:
            self.remark(
                f"This run's review settings have no effect: the {asked} reviews of {self.night} were chosen "
                f"before, by {'; '.join(differences)}. To choose by this run's settings among the images not "
                "asked about yet, trigger the night again with the parameter choose_again = true."
            )

    def _extended_ledger(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Return the ledger with what this run chooses beside what is asked already.

        A choice that the ledger has seen adds nothing, so a retry comes to the same.
        """
        ledger = self.records.written()
        asked = [line for line in ledger.lines if line.asked]
        if any(line.round != int(self.round) for line in asked if line.from_night is None):
            raise self.wrong("choose_again", f"adds to a review round, and round {self.round} is another one")
        versions, contents = {(line.image, line.etag) for line in asked}, {line.sha256 for line in asked}
        room = max(0, int(self.review_limit) - len(asked))
        others = (image for image in predictions if (image.image, image.etag) not in versions)
        last = max((line.rank for line in ledger.lines), default=0)
        chosen = [line for line in self._choose(others, room) if line.sha256 not in contents]
        new = [replace(line, rank=last + rank) for rank, line in enumerate(chosen, start=1)]
        choice = self._choice(predictions)
        if not new or choice.same_as(ledger.chosen_by):
            self.log.info(
                "Nothing is added to the %d reviews of %s: review_limit is %d.",
                *(len(asked), self.night, choice.review_limit),
            )
            return ledger.lines
        waiting = {line.loop for line in ledger.lines if not line.asked}
        new = self.budget.extend(new, waiting, self.terms)
        loops = {line.loop for line in new}
        lines = [*(line for line in ledger.lines if line.loop not in loops), *new]
        try:
            self.records.extend_ledger(ledger, lines, choice)
        except ObjectChangedError:
            lines = self._existing(predictions)
            self.budget.give_up(new, waiting, lines)
            return lines
        added = sum(line.asked for line in new)
        self.remarks.append(f"Chosen again: {added} reviews are added to the {len(asked)} of {self.night}.")
        return lines

    def _log_choice(self, ledger: list[LedgerLine], night: ScoredNight) -> None:
        chosen = Counter(line.policy for line in ledger if line.reason == "policy")
        policies = ", ".join(f"{count} chosen by the policy {name}" for name, count in chosen.items())
        audited = sum(line.reason == "audit" for line in ledger)
        self.log.info(
            "Night %s: %d of %d images go to human review, %s and %d by audit; "
            "the published rule (top score below 0.5) would have asked about %d.",
            *(self.night, len(ledger), night.images),
            *(policies or f"0 chosen by the policy {self.review_policy}", audited, night.published_rule),
        )
