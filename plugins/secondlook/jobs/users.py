"""Records in S3 of who uses a job, and leaving jobs so that the last user stops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.explain import fault_of, sentence_of
from secondlook.jobs.record import Departure, JobRecord
from secondlook.records.document import Document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker
    from secondlook.hooks.sagemaker_jobs import JobKind
    from secondlook.jobs.record import User
    from secondlook.layout import Layout


class JobsNotLeftError(SecondLookError):
    """Some jobs could not be left or stopped; one sentence names them all."""


class JobUsers:
    """The records of the users of one kind of jobs, ``jobs/<kind>/<name>.json``, swapped atomically.

    Every method raises StoreError when S3 does not serve the record, DocumentBusyError when too many runs
    change it, and RecordError when it cannot be read.

    :param store: the deployment's bucket.
    :param layout: where things lie in it.
    :param kind: ``training`` or ``transform``.
    """

    def __init__(self, store: ObjectStore, layout: Layout, kind: JobKind) -> None:
        self.kind = kind
        self._store = store
        self._layout = layout

    def read(self, name: str) -> JobRecord:
        """The record of a job; an empty one when no run has used it."""
        return self._document(name).read() or JobRecord()

    def enter(self, name: str, user: User, *, never_started: bool = False) -> bool:
        """Enter a user; return False if the job is being stopped, which uses up its name."""
        record = self._document(name).swap(
            lambda record: (record or JobRecord()).entered(user, never_started=never_started)
        )
        return user in record.users

    def leave(self, name: str, user: User, *, stop: bool) -> Departure:
        """Remove a user; the last one to leave with ``stop`` must stop the job, and the record says so."""
        record = self._document(name).update(lambda record: record.left(user, stop=stop))
        return Departure.of(record or JobRecord(), user)

    def _document(self, name: str) -> Document[JobRecord]:
        return Document(self._store, self._layout.job_users(self.kind, name), JobRecord)


def leave_jobs(
    users: JobUsers,
    sagemaker: SageMaker,
    names: Iterable[str],
    user: User,
    log: Any,
    *,
    stop: bool = True,
) -> list[str]:
    """Leave jobs and, with ``stop``, stop those that no other run uses; return those that continue.

    Each is tried even if an earlier one failed. The log says what happened to each, and why.

    Raises
    ------
    JobsNotLeftError
        One or more failed.
    """
    going_on, faults = [], []
    for name in names:
        try:
            if _leave(users, sagemaker, name, user, log, stop=stop):
                going_on.append(name)
        except Exception as error:
            faults.append((name, error))
    if faults:
        said = " ".join(f"{name}: {sentence_of(error)}" for name, error in faults)
        raise JobsNotLeftError(
            f"Of the {users.kind} jobs that this task used, {len(faults)} may go on running although no run "
            f"waits for them, until SageMaker's own time limit; see to them in the console. {said}",
            passing=all(fault_of(error).passing for _, error in faults),
        )
    return going_on


def _leave(users: JobUsers, sagemaker: SageMaker, name: str, user: User, log: Any, *, stop: bool) -> bool:
    """Leave one job; whether it goes on because others use it."""
    departure = users.leave(name, user, stop=stop)
    if departure.stop:
        # After the record says so no other run can start it; a job that was never started is not stopped.
        job = sagemaker.job(users.kind, name)
        if job is not None and job.active and not job.stopping:
            sagemaker.stop_job(users.kind, name)
            log.info("The %s job %s is being stopped: no other run uses it.", users.kind, name)
        return False
    if stop and departure.returned:
        log.info("The %s job %s is not stopped: this task waits for it again.", users.kind, name)
    elif stop and departure.others:
        still = ", ".join(departure.others)
        log.info("The %s job %s is not stopped: it is still used by %s.", users.kind, name, still)
    return departure.returned or bool(departure.others)
