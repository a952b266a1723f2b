"""Operators that use training and transform jobs: which name is free, and who stops a job."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.explain import sentence_of, will_pass
from secondlook.jobs.names import MAX_ATTEMPTS, name_of_attempt
from secondlook.jobs.record import User
from secondlook.jobs.shared import JobStoppedError, TooManyAttemptsError
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from secondlook.hooks.sagemaker_jobs import JobKind, JobState
    from secondlook.jobs.users import JobUsers


class JobUser(SecondLookOperator):
    """Base of operators whose tasks enter themselves as users of jobs before they start or attach.

    A job may serve several runs. Who is ended while it waits leaves the job, and stops it only if nobody
    else uses it (see ``job_record``).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._in_use: dict[str, Any] | None = None
        self._killed = False

    def use_jobs(self, context: Context, kind: JobKind, names: list[str], progress: dict[str, Any]) -> None:
        """Enter this task as a user of jobs; do so before starting or attaching to them.

        Raises
        ------
        JobStoppedError
            Another run is stopping one of them (:meth:`free_job_name` finds another name for the next try),
            or this task has been ended.
        """
        if self._killed:
            raise JobStoppedError("This task was ended: it starts no more jobs.")
        if self._in_use is None:
            ti: Any = context["ti"]
            task = "/".join((str(ti.dag_id), str(ti.run_id), str(ti.task_id), str(ti.map_index)))
            self._in_use = {"task": task, "visit": uuid4().hex[:12], "names": []}
        in_use = self._in_use
        in_use["kind"] = kind
        for name in names:
            if name in in_use["names"]:
                continue
            # Noted first: a signal may come at any moment, and leaving what was not entered does nothing.
            in_use["names"].append(name)
            if not self._enter(kind, name, User(in_use["task"], in_use["visit"])):
                in_use["names"].remove(name)
                raise JobStoppedError(
                    f"The {kind} job {name} is being stopped by the last run that used it: the next try "
                    "starts it anew under another name."
                )
        progress["in_use"] = in_use

    @contextmanager
    def leaving_on_failure(self) -> Iterator[None]:
        """Leave all jobs, without stopping any, when an error ends the task for good.

        An error that passes leaves the entries where they are: the next try is the same user.
        """
        try:
            yield
        except Exception as error:
            if self._in_use is not None and not will_pass(error):
                try:
                    self.leave(list(self._in_use["names"]), stop=False)
                except SecondLookError as another:
                    self.log.warning("%s", another)
            raise

    def free_job_name(self, kind: JobKind, base_name: str) -> str:
        """Return the name to start or attach to: ``base_name``, or ``-2``, ``-3``, ... behind it.

        A job that failed, was stopped or is being stopped leaves its name taken.

        Raises
        ------
        TooManyAttemptsError
            All names are used up.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            name = name_of_attempt(base_name, attempt)
            job = self.sagemaker.job(kind, name)
            if (job is not None and job.succeeded) or self.may_use(kind, name, job):
                return name
            status = job.status if job is not None and not job.active else "being stopped"
            self.log.info("The %s job %s is %s: its name is used up.", kind, name, status)
        raise TooManyAttemptsError(
            f"{MAX_ATTEMPTS} {kind} jobs called {base_name} have failed: see the log of the last, correct "
            "the settings or the data; a change of either gives the job a new name."
        )

    def jobs_called(self, kind: JobKind, base_name: str) -> list[JobState]:
        """Return all jobs that :meth:`free_job_name` has found names for, in their order."""
        jobs = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            job = self.sagemaker.job(kind, name_of_attempt(base_name, attempt))
            if job is None:
                break
            jobs.append(job)
        return jobs

    def may_use(self, kind: JobKind, name: str, job: JobState | None) -> bool:
        """Whether a job can be started, or waited for: it has not ended, and nobody is stopping it."""
        if job is None:
            return True
        if not job.active or job.stopping:
            return False
        if self._job_users(kind).read(name).stopping is None:
            return True
        # Whoever wrote that died, or lost the network, before SageMaker heard of it; or it is on its way.
        self.sagemaker.stop_job(kind, name)
        return False

    def _enter(self, kind: JobKind, name: str, user: User) -> bool:
        users = self._job_users(kind)
        if users.enter(name, user):
            return True
        job = self.sagemaker.job(kind, name)
        if job is None:
            return users.enter(name, user, never_started=True)
        self.may_use(kind, name, job)
        return False

    def on_kill(self) -> None:
        """Leave the jobs of this task, the last user stops them: nobody else would, and they cost money.

        A deployment is never interrupted: it ends by itself, in service with the new model or the old one.
        """
        self._killed = True
        if self._in_use is None:
            return
        try:
            self.leave(list(self._in_use["names"]), stop=True)
        except Exception as error:
            self.log.error("%s", sentence_of(error))

    def leave(self, names: list[str], *, stop: bool) -> list[str]:
        """Leave jobs; return those that go on because others use them."""
        from secondlook.jobs.users import leave_jobs

        in_use = self._in_use
        assert in_use is not None, "jobs are entered before they are left"
        user, users = User(in_use["task"], in_use["visit"]), self._job_users(in_use["kind"])
        going_on = leave_jobs(users, self.sagemaker, names, user, self.log, stop=stop)
        in_use["names"] = [name for name in in_use["names"] if name not in names]
        return going_on

    def _job_users(self, kind: JobKind) -> JobUsers:
        from secondlook.jobs.users import JobUsers

        return JobUsers(self.store, self.layout, kind)
