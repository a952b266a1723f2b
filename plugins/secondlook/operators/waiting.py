"""How operators wait for SageMaker: in the triggerer or by polling, with the same looks and decisions."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from secondlook.failures.explain import sentence_of
from secondlook.operators.base import SecondLookOperator
from secondlook.runtime.task_state import Wait, Waits, from_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from secondlook.hooks.sagemaker_jobs import JobKind
    from secondlook.jobs.shared import SharedJobs
    from secondlook.triggers.polling import PollingTrigger

S = TypeVar("S")


class WaitingOperator(SecondLookOperator, Generic[S]):
    """Base of operators that wait for SageMaker.

    **How it works.** A subclass says where it begins (:meth:`begin`) and what comes next (:meth:`advance`).
    Its state is a frozen dataclass of plain JSON values, ``state_class``. ``advance`` looks at what is there,
    does the next thing, and returns the task's result or a :class:`Wait`; when that is over it is called
    again with the wait's state. Deferred or not, the same looks and the same code decide.

    **Jobs.** A subclass joins a job (``self.shared``) before it starts it. Jobs are left when the wait for
    them is over, when the task fails for good, and when it is ended; that stops those that no other run uses.

    **What it does not do.** It interrupts no deployment, and keeps no state for the next try.

    :param skip: sentence with which the task is skipped, None or empty to let it run (templated).
    :param deferrable: wait in the triggerer instead of a worker slot; None: as Airflow is configured.
    """

    template_fields = (*SecondLookOperator.template_fields, "skip")
    state_class: ClassVar[type[Any]]
    job_kind: ClassVar[JobKind] = "training"

    clock: Callable[[], float] = staticmethod(time.time)
    pause: Callable[[float], Any] = staticmethod(time.sleep)

    def __init__(self, *, skip: str | None = None, deferrable: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.skip = skip
        default = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = default if deferrable is None else deferrable
        self._shared: SharedJobs | None = None
        self._is_killed = False

    @abstractmethod
    def begin(self, context: Context) -> S:
        """Return the state of a fresh try."""

    @abstractmethod
    def advance(self, context: Context, state: S) -> Wait[S] | Any:
        """Do the next thing; return what to wait for, or the task's result."""

    def timed_out(self, state: S, what: str) -> S:
        """Return how to continue when a wait for ``what`` took too long; by default the task fails."""
        from secondlook.jobs.failure import wait_timed_out

        raise wait_timed_out(self.shared, what)

    def execute(self, context: Context) -> Any:
        """Begin, and advance until there is a result."""
        if self.skip:
            raise AirflowSkipException(self.skip)
        self._visit(context, {})
        return self._advance(context, self.begin)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Continue after a wait in the triggerer."""
        self._visit(context, event)
        return self._advance(context, lambda _: self._after(event))

    def on_kill(self) -> None:
        """Leave the jobs of this task; those that no other run uses are stopped, because they cost money."""
        self._is_killed = True
        try:
            if self._shared is not None:
                self._shared.abandon()
        except Exception as error:
            self.log.error("%s", sentence_of(error))

    @property
    def shared(self) -> SharedJobs:
        """The jobs that this task uses (while it runs)."""
        assert self._shared is not None, "a task uses jobs only while it runs"
        return self._shared

    def wait(
        self, kind: type[PollingTrigger], state: S, settings: Waits, until: float | None = None, **more: Any
    ) -> Wait[S]:
        """Return a wait as the settings have it; ``until``, a Unix time, instead of their time limit."""
        more |= {"aws_conn_id": self.aws_conn_id, "region_name": self.region_name}
        more |= {"poll_interval_seconds": settings.poll_interval_seconds}
        return Wait(kind(deadline=until or self.clock() + settings.timeout_seconds, **more), state)

    def wait_for_jobs(self, names: list[str], state: S, settings: Waits) -> Wait[S]:
        """Return a wait for jobs that the task has joined. See :meth:`wait`."""
        from secondlook.triggers.jobs import JobsTrigger

        shared = self.shared.to_record()
        return self.wait(JobsTrigger, state, settings, names=names, shared=shared, **self.address)

    def _visit(self, context: Context, event: dict[str, Any]) -> None:
        """Start using jobs, or resume with those that a wait's event names."""
        from secondlook.jobs.shared import SharedJobs, new_visit

        record = event.get("shared") or new_visit(self.job_kind, context["ti"])
        self._shared = SharedJobs(record, self.store, self.layout, self.sagemaker, self.log)
        if self._is_killed:
            self._shared.abandon()

    def _advance(self, context: Context, begin: Callable[[Context], S]) -> Any:
        with self.shared.leaving_on_failure():
            state = begin(context)
            while isinstance(step := self.advance(context, state), Wait):
                self.shared.end_if_abandoned()
                trigger, where = step.trigger, "triggerer" if self.deferrable else "worker"
                trigger.state = to_plain(step.state)
                self.log.info("Waiting for %s in the %s.", trigger.what, where)
                if self.deferrable:
                    self.defer(trigger=trigger, method_name="execute_complete")
                trigger.sagemaker = self.sagemaker
                state = self._after(trigger.wait(self.clock, self.pause, self.shared.end_if_abandoned))
            return step

    def _after(self, event: dict[str, Any]) -> S:
        """Return the state to continue with after a wait."""
        from secondlook.jobs.failure import wait_failed
        from secondlook.triggers.polling import FAILED, TIMED_OUT

        state: S = from_plain(self.state_class, event["state"])
        if event["status"] == FAILED:
            raise wait_failed(event)
        if event["status"] == TIMED_OUT:
            return self.timed_out(state, event["what"])
        self.shared.leave(*event.get("names", ()), stop=False)
        return state
