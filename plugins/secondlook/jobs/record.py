"""Who uses a training or transform job: pure rules, without S3 and SageMaker.

Two runs may wait for one job, because its name is a hash of what it reads. It may be stopped only when the
last of them leaves, and only by that one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from secondlook.json_document import JsonDocument


@dataclass(frozen=True, slots=True)
class User:
    """A task that waits for a job.

    Attributes
    ----------
    task
        ``dag_id/run_id/task_id/map_index``. It is the same after a retry, which thus takes over
        the entry of a killed process.
    visit
        One visit of this task. A clear starts the next visit, perhaps before the previous one's stop has run:
        that stop is stale and does nothing.
    """

    task: str
    visit: str


class JobRecord(JsonDocument):
    """The users of one job, at most one entry a task, and which of them decided to stop it.

    A record goes from "used" to "stopping", and then the name of a job that was started is used up.
    """

    remedy: ClassVar[str] = "delete it; then a job may be stopped although another run waits for it"

    users: tuple[User, ...] = ()
    stopping: User | None = None

    def entered(self, user: User, *, never_started: bool = False) -> JobRecord:
        """Return the record with this user in place of an earlier visit; as it is if the job is stopping.

        ``never_started`` says that there is no such job: then there is nothing to stop, whatever was decided.
        """
        if self.stopping is not None and not never_started:
            return self
        return JobRecord(users=(*self.others(user), user))

    def left(self, user: User, *, stop: bool) -> JobRecord:
        """Return the record without this user, stopping if it was the last one and ``stop`` is wanted.

        Nothing changes for a visit that is over.
        """
        if user not in self.users:
            return self
        others = self.others(user)
        stops = stop and not others and self.stopping is None
        return JobRecord(users=others, stopping=user if stops else self.stopping)

    def others(self, user: User) -> tuple[User, ...]:
        """Return the users of other tasks."""
        return tuple(other for other in self.users if other.task != user.task)


@dataclass(frozen=True, slots=True)
class Departure:
    """What happened to a job when a user left it.

    Attributes
    ----------
    stop
        Whether this user has to stop the job now.
    others
        The tasks that still use it.
    returned
        Whether the task itself waits for it again.
    """

    stop: bool = False
    others: tuple[str, ...] = field(default=())
    returned: bool = False

    @classmethod
    def of(cls, record: JobRecord, user: User) -> Departure:
        """Read it from the record after the user has left."""
        return cls(
            stop=record.stopping == user,
            others=tuple(other.task for other in record.others(user)),
            returned=any(other.task == user.task for other in record.users),
        )
