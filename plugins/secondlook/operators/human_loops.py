"""From predictions to questions: which images people see tonight, and the human loops that ask them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.detection import Prediction
from secondlook.errors import SecondLookError
from secondlook.hooks.human_loops import HumanReviewService
from secondlook.hooks.reviews import ReviewRecords
from secondlook.hooks.store import ObjectChangedError
from secondlook.links import ReviewLink
from secondlook.operators.base import NIGHT, SecondLookOperator, is_template
from secondlook.review import LedgerLine, published_rule_count, resolve_policy, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

PROGRESS_EVERY = 50


class NothingScoredError(SecondLookError):
    """There are no predictions of the night."""


@dataclass
class _Started:
    """How the loops of a ledger came about."""

    started: int = 0
    adopted: int = 0

    @property
    def total(self) -> int:
        return self.started + self.adopted


class HumanLoopStartOperator(SecondLookOperator):
    """Chooses the night's images for review and starts one human loop for each.

    What is chosen is written to ``reviews/<night>/ledger.jsonl`` before the first loop starts, and only if
    there is no ledger yet: from then on the ledger is the truth. A retry, a cleared task or a second run of
    the same night chooses nothing anew, starts the loops that are missing and adopts those that exist, so
    nobody is asked, or paid, twice. Loops start one after another, the highest-ranked first: when something
    stops the task half-way, the most useful questions are out.

    Returns, and keeps in ``reviews/<night>/launch.json``, ``{"night", "ledger", "selected", "started",
    "adopted", "published_rule", "by_policy", "by_audit"}``. ``published_rule`` is how many images the
    published rule (top score below 0.5) would have asked about; ``started`` and ``adopted`` are about this
    run and add up to ``selected``.

    What it does not do: wait for anybody, or change a ledger. Another limit or policy for a night that was
    launched needs a new ledger, which is a person's decision.

    :param night: the night, YYYY-MM-DD (templated).
    :param model: id of the model whose predictions are read (templated).
    :param flow_definition_name: the flow definition that the loops run on (templated).
    :param labels: all labels, index = class id (templated).
    :param review_policy: ``top_score``, ``uncertainty_sum``, ``random`` or ``package.module:Class``
        (templated).
    :param policy_params: keyword arguments of the policy (templated).
    :param review_limit: most reviews to pay for (templated).
    :param audit_share: share of the limit chosen at random, 0 to 1 (templated).
    :param predraw_score: detections from this score on are drawn for the reviewer (templated).
    :param round: 1 for the first review of an image version; a higher number asks again (templated).
    :param seed: seed of the lots (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        "night",
        "model",
        "flow_definition_name",
        "labels",
        "review_policy",
        "policy_params",
        "review_limit",
        "audit_share",
        "predraw_score",
        "round",
        "seed",
        "a2i_conn_id",
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(
        self,
        *,
        night: str,
        model: str,
        flow_definition_name: str,
        labels: Sequence[str] | str,
        review_policy: str = "uncertainty_sum",
        policy_params: dict[str, Any] | str | None = None,
        review_limit: int | str = 100,
        audit_share: float | str = 0.1,
        predraw_score: float | str = 0.25,
        round: int | str = 1,
        seed: int | str = 0,
        a2i_conn_id: str = "a2i_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.model = model
        self.flow_definition_name = flow_definition_name
        self.labels = labels
        self.review_policy = review_policy
        self.policy_params = policy_params
        self.review_limit = review_limit
        self.audit_share = audit_share
        self.predraw_score = predraw_score
        self.round = round
        self.seed = seed
        self.a2i_conn_id = a2i_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Choose unless chosen already, start what is missing, and return the counts."""
        self._check_arguments()
        predictions = self._predictions(self.model)
        ledger = self._ledger(predictions)
        self._log_choice(ledger, predictions)
        done = self._start_all(context, ledger)
        reasons = Counter(line.reason for line in ledger)
        result = {
            "night": self.night,
            "ledger": self.layout.uri(self.records.ledger_key),
            "selected": len(ledger),
            "started": done.started,
            "adopted": done.adopted,
            "published_rule": published_rule_count(predictions),
            "by_policy": reasons["policy"],
            "by_audit": reasons["audit"],
        }
        self.store.write(self.layout.launch_summary(self.night), jsonl.canonical(result).encode())
        return result

    @cached_property
    def service(self) -> HumanReviewService:
        """The human review service (after rendering)."""
        return HumanReviewService(self.a2i_conn_id, self.region_name)

    @cached_property
    def records(self) -> ReviewRecords:
        """The night's ledger and outcomes (after rendering)."""
        return ReviewRecords(self.store, self.layout, self.night)

    def _check_arguments(self) -> None:
        self.check_text("night", self.night, NIGHT)
        self.check_text("model", self.model)
        self.check_text("flow_definition_name", self.flow_definition_name, r"[a-z0-9](-*[a-z0-9]){0,62}")
        self.check_text("review_policy", self.review_policy)
        self.check_number("review_limit", self.review_limit, minimum=0)
        self.check_number("audit_share", self.audit_share, minimum=0, maximum=1)
        self.check_number("predraw_score", self.predraw_score, minimum=0, maximum=1)
        self.check_number("round", self.round, minimum=1)
        if not is_template(self.labels) and (isinstance(self.labels, str) or not self.labels):
            raise self.wrong("labels", f"must be a list of labels, not {self.labels!r}")
        if not is_template(self.policy_params) and not isinstance(self.policy_params, dict | None):
            raise self.wrong("policy_params", f"must be an object of parameters, not {self.policy_params!r}")

    def _predictions(self, model: str) -> list[Prediction]:
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
        return [Prediction.from_record(record) for key in parts for record in self.store.read_jsonl(key)[0]]

    def _ledger(self, predictions: list[Prediction]) -> list[LedgerLine]:
        if self.records.has_ledger():
            return self._existing_ledger()
        params = self.policy_params if isinstance(self.policy_params, dict) else {}
        policy = resolve_policy(self.review_policy, **params)
        selections = select(
            predictions, policy, int(self.review_limit), float(self.audit_share), int(self.seed), self.night
        )
        lines = [
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
        try:
            self.records.write_ledger(lines)
        except ObjectChangedError:
            # Two runs of the night at once: the one whose ledger was first is followed by both.
            return self._existing_ledger()
        return lines

    def _existing_ledger(self) -> list[LedgerLine]:
        lines = self.records.ledger()
        self.log.info("The ledger of %s exists: its %d reviews are used as they are.", self.night, len(lines))
        if lines and (lines[0].model, lines[0].round) != (self.model, self.round):
            self.log.warning(
                "The ledger of %s was written for model %s and round %d, not for model %s and round %s; "
                "remove the ledger to choose anew.",
                *(self.night, lines[0].model, lines[0].round, self.model, self.round),
            )
        return lines

    def _log_choice(self, ledger: list[LedgerLine], predictions: list[Prediction]) -> None:
        reasons = Counter(line.reason for line in ledger)
        self.log.info(
            "Night %s: %d of %d images go to human review, %d chosen by the policy %s and %d by audit; "
            "the published rule (top score below 0.5) would have asked about %d.",
            *(self.night, len(ledger), len(predictions), reasons["policy"]),
            *(ledger[0].policy if ledger else self.review_policy, reasons["audit"]),
            published_rule_count(predictions),
        )

    def _start_all(self, context: Context, ledger: list[LedgerLine]) -> _Started:
        done = _Started()
        if not ledger:
            return done
        flow_arn = self.service.flow_arn(self.flow_definition_name)
        ReviewLink.persist(context, self, client=self.service.control, name=self.flow_definition_name)
        recorded = self.records.outcomes() or {}
        for line in ledger:
            # A loop that has ended may be deleted by now; its outcome keeps it from being asked again.
            if line.loop not in recorded and self._start(flow_arn, line):
                done.started += 1
            else:
                done.adopted += 1
            if done.total % PROGRESS_EVERY == 0 or done.total == len(ledger):
                self.log.info(
                    "%d of %d human loops: %d started, %d existed already.",
                    *(done.total, len(ledger), done.started, done.adopted),
                )
        return done

    def _start(self, flow_arn: str, line: LedgerLine) -> bool:
        """Start the loop of a line; return False when it exists already."""
        if self.service.describe(line.loop) is not None:
            return False
        content = line.input_content(labels=self.labels, night=self.night)
        if self.service.start(flow_arn, line.loop, content):
            return True
        self.log.warning(
            "The human loop %s of %s exists with another input; it is adopted as it is.",
            line.loop,
            line.image,
        )
        return False
