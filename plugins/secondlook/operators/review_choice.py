"""Which of a night's images people see: chosen once, written to the ledger before anybody is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook.detection import Prediction
from secondlook.errors import ReviewInputError, SecondLookError
from secondlook.hooks.content import with_content
from secondlook.hooks.reviews import ReviewRecords
from secondlook.hooks.store import ObjectChangedError
from secondlook.operators.base import is_template
from secondlook.operators.review_budget import BudgetedReviewsOperator
from secondlook.review import LedgerLine, ScoredNight, resolve_policy, select

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        parts = [
            item.key
            for item in self.store.list_objects(folder)
            if item.key.removeprefix(folder).startswith("part-")
        ]
        if not parts and not self.store.exists(self.layout.predictions_summary(self.night, model)):
            raise NothingScoredError(
                f"There are no predictions of model {model} for {self.night} under {self.store.uri(folder)}: "
                "run the task that scores the night first."
            )
        return ScoredNight(
            Prediction.from_record(record) for key in parts for record in self.store.read_jsonl(key)[0]
        )

    def _ledger(self, predictions: ScoredNight) -> list[LedgerLine]:
        if self.records.has_ledger():
            return self._existing_ledger()
        if not self.budget.in_use(self.limits):
            lines = self._choose(predictions)
        else:
            lines = self._within_budget(predictions)
        try:
            self.records.write_ledger(lines)
        except ObjectChangedError:
            # Two runs of the night at once: the one whose ledger was first is followed by both.
            return self._existing_ledger()
        return lines

    def _within_budget(self, predictions: ScoredNight) -> list[LedgerLine]:
        """Return the ledger that follows from the night's plan and what the budget has room for."""
        plan = self.budget.read_plan()
        if plan is None:
            own = self._choose(predictions)
            limit = int(self.review_limit)
            # Without anything to ask, and to take up, no review workflow is needed.
            terms = self.terms if limit else self.limits
            plan = self.budget.make_plan(own, limit, terms, self._askable)
        else:
            self.log.info(
                "The choice of %s is fixed in %s; remove it to choose anew.",
                *(self.night, self.store.uri(self.budget.plan_key)),
            )
        return self.budget.settle(plan, self.terms if plan.lines else self.limits)

    def _askable(self, line: LedgerLine, night: str) -> bool:
        """Whether a line that an earlier night deferred still asks the same question."""
        try:
            line.input_content(labels=self.labels, night=line.from_night or night)
        except ReviewInputError as error:
            self.log.warning("Not taken up: %s", error)
            return False
        return True

    def _choose(self, predictions: ScoredNight) -> list[LedgerLine]:
        params = self.policy_params if isinstance(self.policy_params, dict) else {}
        policy = resolve_policy(self.review_policy, **params)
        selections = self._identified(
            select(
                predictions,
                policy,
                int(self.review_limit),
                float(self.audit_share),
                int(self.seed),
                self.night,
            )
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

    def _existing_ledger(self) -> list[LedgerLine]:
        lines = self.records.lines()
        self.log.info("The ledger of %s exists: its %d reviews are used as they are.", self.night, len(lines))
        own = next((line for line in lines if line.from_night is None), None)
        if own and (own.model, own.round) != (self.model, self.round):
            self.log.warning(
                "The ledger of %s was written for model %s and round %d, not for model %s and round %s; "
                "remove the ledger to choose anew.",
                *(self.night, own.model, own.round, self.model, self.round),
            )
        return lines

    def _log_choice(self, ledger: list[LedgerLine], night: ScoredNight) -> None:
        reasons = Counter(line.reason for line in ledger)
        self.log.info(
            "Night %s: %d of %d images go to human review, %d chosen by the policy %s and %d by audit; "
            "the published rule (top score below 0.5) would have asked about %d.",
            *(self.night, len(ledger), night.images, reasons["policy"]),
            *(ledger[0].policy if ledger else self.review_policy, reasons["audit"]),
            night.published_rule,
        )
