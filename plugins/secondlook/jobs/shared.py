"""Jobs that several runs share: a task joins them before they start, and the last one to leave stops them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.explain import will_pass
from secondlook.jobs.names import MAX_ATTEMPTS, name_of_attempt
from secondlook.jobs.record import User
from secondlook.jobs.users import JobUsers, leave_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker
    from secondlook.hooks.sagemaker_jobs import JobKind, JobState
    from secondlook.layout import Layout


class TooManyAttemptsError(SecondLookError):
    """All attempts at the same job failed."""


class JobStoppedError(SecondLookError):
    """A job was stopped because this task or another run ended; the next try starts another."""

    passing = True


def new_visit(kind: JobKind, ti: Any) -> dict[str, Any]:
    """Return the record of a task instance's new visit, which has joined no job yet."""
    task = "/".join(map(str, (ti.dag_id, ti.run_id, ti.task_id, ti.map_index)))
    return {"kind": kind, "task": task, "visit": uuid4().hex[:12], "names": []}


class SharedJobs:
    """The jobs of one kind that a task uses in one visit, some of them shared with other runs.

    A job's name is a hash of what it reads, so two runs may use the same job. A task joins a job before it
    starts or attaches to it, and leaves it when the wait is over. A task that is ended while it waits leaves,
    too, and stops the job if it was the last one (see :mod:`secondlook.jobs.record`).

    Parameters
    ----------
    record
        The visit: of :func:`new_visit` or, after a wait or in another process, of :meth:`to_record`.
    store
        The deployment's bucket.
    layout
        Where things lie in it.
    sagemaker
        The service that runs the jobs.
    log
        The task's log.
    """

    def __init__(
        self, record: dict[str, Any], store: ObjectStore, layout: Layout, sagemaker: SageMaker, log: Any
    ) -> None:
        self.kind: JobKind = record["kind"]
        self.user = User(record["task"], record["visit"])
        self.names: list[str] = list(record["names"])
        self.is_abandoned = False
        self._left: list[str] = []
        self.store = store
        self.layout = layout
        self.sagemaker = sagemaker
        self.log = log
        self._users = JobUsers(store, layout, self.kind)

    def to_record(self) -> dict[str, Any]:
        """Return what another process needs to continue, or to leave the jobs, as plain JSON."""
        who = {"task": self.user.task, "visit": self.user.visit}
        return {"kind": self.kind, **who, "names": list(self.names)}

    def join(self, *names: str) -> None:
        """Register the task as a user of jobs; call it before starting or attaching to them.

        Raises
        ------
        JobStoppedError
            Another run is stopping one of them (:meth:`free_name` finds another name for the next try), or
            this task was killed.
        """
        if self.is_abandoned:
            raise JobStoppedError("This task was killed: it starts no more jobs.")
        for name in names:
            if name in self.names:
                continue
            # Noted first: a signal may arrive at any moment, and leaving an unjoined job does nothing.
            self.names.append(name)
            if not self._enter(name):
                self.names.remove(name)
                raise JobStoppedError(
                    f"The last run that used the {self.kind} job {name} is stopping it: the next try starts "
                    "it again under another name."
                )

    def leave(self, *names: str, stop: bool) -> list[str]:
        """Leave jobs; return those that continue because other runs use them.

        Raises
        ------
        JobsNotLeftError
            Some could not be left, or not be stopped.
        """
        going_on = leave_jobs(self._users, self.sagemaker, names, self.user, self.log, stop=stop)
        self._left += [name for name in names if name in self.names]
        self.names = [name for name in self.names if name not in names]
        return going_on

    def leave_all(self, *, stop: bool) -> list[str]:
        """Leave every job that the task uses. Returns and raises like :meth:`leave`."""
        return self.leave(*self.names, stop=stop)

    def abandon(self) -> None:
        """Leave every job because the task was killed: they would keep running and cost money."""
        self.is_abandoned = True
        self.leave_all(stop=True)

    def end_if_abandoned(self) -> None:
        """Stop after :meth:`abandon`: Airflow lets interrupted code run for some more seconds.

        A request in flight at that moment may have started a job, which is stopped now.

        Raises
        ------
        JobStoppedError
            The task was killed.
        """
        if self.is_abandoned:
            self.leave(*self._left, *self.names, stop=True)
            raise JobStoppedError("This task was killed: it starts no more jobs and waits for none.")

    @contextmanager
    def leaving_on_failure(self) -> Iterator[None]:
        """Leave all jobs, without stopping any, when an error ends the task for good.

        After an error that passes the entries stay: the next try is the same user.
        """
        try:
            yield
        except Exception as error:
            if self.names and not will_pass(error):
                try:
                    self.leave_all(stop=False)
                except SecondLookError as another:
                    self.log.warning("%s", another)
            raise

    def free_name(self, base_name: str) -> str:
        """Return the name to start or attach to: ``base_name``, or ``-2``, ``-3``, ... behind it.

        A job that failed, was stopped or is being stopped keeps its name.

        Raises
        ------
        TooManyAttemptsError
            All names are used up.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            name = name_of_attempt(base_name, attempt)
            job = self.sagemaker.job(self.kind, name)
            if (job is not None and job.succeeded) or self.is_usable(name, job):
                return name
            status = job.status if job is not None and not job.active else "being stopped"
            self.log.info("The %s job %s is %s: its name is used up.", self.kind, name, status)
        raise TooManyAttemptsError(
            f"{MAX_ATTEMPTS} {self.kind} jobs called {base_name} have failed: see the log of the last, "
            "correct the settings or the data; a change of either gives the job a new name."
        )

    def attempts(self, base_name: str) -> list[JobState]:
        """Return all attempts at a job, in order."""
        jobs = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job = self.sagemaker.job(self.kind, name_of_attempt(base_name, attempt))
            if job is None:
                break
            jobs.append(job)
        return jobs

    def is_usable(self, name: str, job: JobState | None) -> bool:
        """Whether a job can be started or waited for: it has not ended and is not being stopped."""
        if job is None:
            return True
        if not job.active or job.stopping:
            return False
        if self._users.read(name).stopping is None:
            return True
        # The stop is recorded but has not reached SageMaker: its task died or is about to call.
        self.sagemaker.stop_job(self.kind, name)
        return False

    def _enter(self, name: str) -> bool:
        if self._users.enter(name, self.user):
            return True
        job = self.sagemaker.job(self.kind, name)
        if job is None:
            return self._users.enter(name, self.user, never_started=True)
        self.is_usable(name, job)
        return False
