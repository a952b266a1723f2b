"""One challenger at a time: nights that train side by side take turns."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.operators.training_job import TrainingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.operators.training_job import JobPlan
    from secondlook.records.challenger import ChallengerBook
    from secondlook.training import ModelCard, OpenChallenger, Standing

# Each lost swap means that another night has got on.
CLAIM_ATTEMPTS = 50


class CandidateBusyError(SecondLookError):
    """Too many nights want to train at the same moment."""

    passing = True


class ChallengerTrainingOperator(TrainingOperator):
    """Base of an operator that trains a challenger of the champion, one in the deployment at a time.

    Which challenger is open stands in ``training/challenger.json``, written by compare-and-swap before its
    job starts. It stays open until it cannot be trained, has lost, or another model is champion. Meanwhile a
    night that would train another one waits (in the triggerer when ``deferrable``), then plans anew from the
    champion of that moment and all answers there are. A night that would train the very same one attaches to
    it. So however many nights train at once, each challenger starts from the champion in service, and with
    the last one every answer has been looked at: running the nights again trains nothing.

    :param champion: ``s3://`` address of the champion pointer, by default the deployment's own (templated).
    :param candidate_timeout_seconds: longest wait for another challenger. After that the night says so and
        trains its own in its place (templated).
    """

    template_fields = (*TrainingOperator.template_fields, "champion", "candidate_timeout_seconds")

    def __init__(
        self,
        *,
        champion: str | None = None,
        candidate_timeout_seconds: float | str = 6 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.champion = champion
        self.candidate_timeout_seconds = candidate_timeout_seconds
        self.check_number("candidate_timeout_seconds", candidate_timeout_seconds, minimum=0)

    night: str

    @cached_property
    def candidates(self) -> ChallengerBook:
        """The record of the open challenger (after rendering)."""
        from secondlook.records.challenger import ChallengerBook

        return ChallengerBook(self.store, self.layout, self.sagemaker)

    @property
    def champion_key(self) -> str:
        """Where the champion pointer lies (after rendering)."""
        return self.layout.key_of(self.champion) if self.champion else self.layout.champion()

    def plan_jobs(self, parent: ModelCard) -> list[JobPlan]:
        """Plan the challenger's job, and what belongs to it, from what there is now.

        Raises
        ------
        AirflowSkipException
            There is nothing to train.
        """
        raise NotImplementedError

    def take_turn(
        self, context: Context, *, given_up: str | None = None, waited: dict[str, Any] | None = None
    ) -> Any:
        """Train the own challenger as soon as no other one is open.

        ``given_up`` names a challenger that is not waited for any more, ``waited`` is the progress of a wait
        that is over.
        """
        from secondlook.records.models import read_card, read_champion

        for _ in range(CLAIM_ATTEMPTS):
            champion = read_champion(self.store, self.champion_key)
            progress = self.unfinished(context)
            if progress is not None and progress.get("parent") == champion.model:
                return self.advance(context, progress)
            record = self.candidates.read()
            standing = self.candidates.standing(record, champion.model) if record else None
            is_mine = record is not None and record.run == _run(context)
            is_open = record is not None and standing is not None and not standing.decided
            if record and is_open and is_mine and self._is_being_stopped(record):
                is_open = False
            if record and is_open and is_mine:
                self.log.info("This run trains %s already.", record.challenger)
                return self.run_jobs(context, list(record.jobs), parent=record.parent)
            plans = self.plan_jobs(read_card(self.store, self.layout, champion.model))
            names = [plan.name for plan in plans]
            if record and names[0] == record.challenger:
                self.log.info("The challenger of %s would be the same: %s.", record.night, names[0])
                return self.run_jobs(context, names, parent=champion.model)
            if record and standing and is_open and record.challenger != given_up:
                return self._wait_for(context, record, standing, waited)
            for plan in plans:
                self.write_plan(plan)
            if self._claim(context, champion.model, names, record):
                return self.run_jobs(context, names, parent=champion.model)
        raise CandidateBusyError(
            f"{CLAIM_ATTEMPTS} times another run wrote {self.candidates.uri} first: the next try looks anew."
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after a wait in the triggerer."""
        from secondlook.triggers.sagemaker import FAILED, TIMED_OUT

        waited = event["progress"]
        if "challenger" not in waited or event["status"] == FAILED:
            return super().execute_complete(context, event)
        if event["status"] == TIMED_OUT:
            return self._go_on(context, waited)
        return self.take_turn(context, waited=waited)

    def _is_being_stopped(self, record: OpenChallenger) -> bool:
        job = self.sagemaker.job("training", record.challenger)
        return job is not None and job.active and not self.may_use("training", job.name, job)

    def _claim(self, context: Context, parent: str, jobs: list[str], seen: OpenChallenger | None) -> bool:
        from secondlook.training import OpenChallenger

        mine = OpenChallenger(parent=parent, jobs=tuple(jobs), run=_run(context), night=str(self.night))
        return self.candidates.claim(mine, seen)

    def _wait_for(
        self, context: Context, record: OpenChallenger, standing: Standing, waited: dict[str, Any] | None
    ) -> Any:
        from secondlook.records.models import read_champion
        from secondlook.triggers.challenger import CandidateTrigger

        name = record.challenger
        known = waited if waited and waited["challenger"] == name else None
        until = float(known["until"] if known else time.time() + float(self.candidate_timeout_seconds))
        progress = {"challenger": name, "until": until, "waiting_for": f"the decision about {name}"}
        self.log.info(
            "Night %s waits until %s of night %s is decided, for %.0f s at most. It %s. There is nothing to "
            "do; only if that night's run is dead, delete %s, and this one goes on.",
            *(self.night, name, record.night, until - time.time(), standing.value, self.candidates.uri),
        )
        if self.deferrable:
            polling = self._polling(progress) | {"deadline": until}
            place = {"bucket": str(self.bucket), "prefix": str(self.prefix or "")}
            self._defer(
                CandidateTrigger(champion_key=self.champion_key, challenger=name, **place, **polling),
                progress,
            )
        while time.time() < until:
            time.sleep(float(self.poll_interval_seconds))
            now = self.candidates.read()
            champion = read_champion(self.store, self.champion_key)
            if now != record or self.candidates.standing(record, champion.model).decided:
                return self.take_turn(context, waited=progress)
        return self._go_on(context, progress)

    def _go_on(self, context: Context, waited: dict[str, Any]) -> Any:
        self.log.warning(
            "%s is still not decided after %g s: night %s trains without waiting any longer. Look at the "
            "run that made it; whichever of the two is promoted second will be skipped.",
            *(waited["challenger"], float(self.candidate_timeout_seconds), self.night),
        )
        return self.take_turn(context, given_up=waited["challenger"], waited=waited)


def _run(context: Context) -> str:
    """Identity of the Airflow run; a retry and a clear keep it."""
    ti: Any = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}"
