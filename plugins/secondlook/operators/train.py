"""Train the next model from the last one, on what people answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook import names
from secondlook.layout import check_night
from secondlook.operators.waiting import WaitingOperator
from secondlook.runtime.links import TrainingJobLink
from secondlook.runtime.task_state import Wait, keep_state, kept_state
from secondlook.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from secondlook.training import ModelCard
    from secondlook.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class TrainState:
    """The night's jobs and the champion that they start from, once it is its turn; before that the other
    challenger that it waits for, until when (Unix time), and the one that it has given up waiting for.
    """

    jobs: tuple[str, ...] = ()
    parent: str = ""
    waited_for: str = ""
    until: float = 0.0
    given_up: str = ""


class SageMakerIncrementalTrainingOperator(WaitingOperator[TrainState]):
    """Train a challenger from the champion on new answers mixed with replayed old images.

    New answers are those in the reviewed manifests of all nights that neither the champion nor its ancestors
    have learned; with too few of them the task is skipped and they wait. Answers that joined a night after
    its manifest was learned are new, too. A share of them, chosen by a hash of the
    address, is never trained on but validates, beside the bootstrap's validation images. The control arm
    trains as many steps on old images only, so that more training is not mistaken for learning from people;
    it runs after the challenger in the same task.

    Nights that train side by side take turns (:class:`secondlook.jobs.turn.ChallengerTurn`): a night whose
    turn it is not waits, then mixes again what there is, from the champion of that moment.

    Returns ``{"model", "artifact", "card", "new", "replayed", "control": {"model", "artifact"} | None}``.

    :param night: ``YYYY-MM-DD``, for the log (templated).
    :param holdout_version: images of this holdout are kept out of training (templated).
    :param execution_role_arn: role that the jobs run under (templated).
    :param training: what to train with and how long to wait: a section or its keys (templated).
    """

    template_fields = (
        *WaitingOperator.template_fields,
        *("night", "holdout_version", "execution_role_arn", "training"),
    )
    operator_extra_links = (TrainingJobLink(),)
    ui_color = "#e4dcf2"
    state_class = TrainState

    def __init__(
        self,
        *,
        night: str,
        holdout_version: str,
        execution_role_arn: str,
        training: TrainingSettings | Mapping[str, Any] | str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.holdout_version = holdout_version
        self.execution_role_arn = execution_role_arn
        self.training = self.check_section("training", training, TrainingSettings)
        self.check_text("night", night, names.NIGHT)
        self.check_text("holdout_version", holdout_version)
        self.check_text("execution_role_arn", execution_role_arn, names.ROLE_ARN)

    def begin(self, context: Context) -> TrainState:
        """Begin before it is this night's turn."""
        return TrainState()

    def advance(self, context: Context, state: TrainState) -> Wait[TrainState] | dict[str, Any]:
        """Wait for this night's turn, then bring its jobs to their end."""
        from secondlook.jobs.training import TrainingJobs
        from secondlook.jobs.turn import Busy, ChallengerTurn, Turn

        training, ti = self.check_section("training", self.training, TrainingSettings), context["ti"]
        jobs = TrainingJobs(self.shared, training, self.execution_role_arn)
        if not state.jobs:
            run, night = f"{ti.dag_id}/{ti.run_id}", check_night(str(self.night))
            kept = kept_state(context, TrainState)
            turn = ChallengerTurn(jobs, run=run, night=night).take(
                lambda parent: self._recipes(parent, training),
                earlier=Turn(kept.parent, kept.jobs) if kept else None,
                given_up=state.given_up,
            )
            if isinstance(turn, Busy):
                return self._wait_for(turn.challenger.challenger, state, training)
            state = TrainState(turn.jobs, turn.parent)
            keep_state(context, state)
        running = jobs.bring_to_end(state.jobs)
        if running is None:
            return jobs.result(state.jobs)
        TrainingJobLink.persist(context, self, client=self.sagemaker.client, name=running)
        return self.wait_for_jobs([running], state, training)

    def timed_out(self, state: TrainState, what: str) -> TrainState:
        """Wait no longer for another night's challenger; fail if a job took too long."""
        if state.jobs:
            return super().timed_out(state, what)
        self.log.warning(
            "%s is still not decided: this night trains without waiting any longer. Look at the run that "
            "made it; the one of the two that is promoted second will be skipped.",
            state.waited_for,
        )
        return replace(state, given_up=state.waited_for)

    def _recipes(self, parent: ModelCard, training: TrainingSettings) -> list[TrainingRecipe]:
        """Make recipes of all answers there are; skip the task if they are too few."""
        from secondlook.records.learning import Learning
        from secondlook.training.hyperparameters import checked_hyperparameters
        from secondlook.training.recipe import challenger_recipes

        learning = Learning(self.store, self.layout, parent, str(self.holdout_version), self.log)
        answers = learning.new_answers()
        if len(answers.lines) < training.min_new_answers:
            raise AirflowSkipException(
                f"There are {len(answers.lines)} answers that the champion has not learned, and training "
                f"starts at {training.min_new_answers}: nothing is trained."
            )
        drawn = learning.draw(answers, training)
        key = f"Task {self.task_id}: training.hyperparameters"
        given = checked_hyperparameters(training.hyperparameters, key=key, image=parent.image)
        return challenger_recipes(parent, drawn, answers.manifests, given)

    def _wait_for(self, other: str, state: TrainState, training: TrainingSettings) -> Wait[TrainState]:
        from secondlook.triggers.challenger import ChallengerTrigger

        until = self.clock() + training.challenger_timeout_seconds
        if other != state.waited_for:
            state = TrainState(waited_for=other, until=until, given_up=state.given_up)
        return self.wait(ChallengerTrigger, state, training, state.until, challenger=other, **self.address)
