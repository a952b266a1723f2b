"""Who uses a training or transform job: the rules, without S3 and without SageMaker.

Two runs may wait for one job, because its name is a hash of what it reads. It may be stopped only when the
last of them does not want it any more, and only by one of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self

from secondlook.failures.exceptions import SecondLookError


class JobRecordError(SecondLookError):
    """A record of a job's users cannot be read."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who waits for a job.

    Attributes
    ----------
    task
        ``dag_id/run_id/task_id/map_index``. It survives a retry, so a killed process leaves no entry
        behind that its successor would not take over.
    visit
        One stay of this task. A clear starts the next stay, perhaps before the stop of the one before has
        run: that stop then finds that it speaks for nobody.
    """

    task: str
    visit: str


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The users of one job, at most one entry a task, and who has decided to stop it.

    A record goes from "used" to "stopping", and then the name of a job that was started is used up.
    """

    users: tuple[User, ...] = ()
    stopping: User | None = None

    @classmethod
    def parse(cls, data: Any, source: str) -> Self:
        """Make the record of a JSON value.

        Raises
        ------
        JobRecordError
            It has another form.
        """
        try:
            users = tuple(User(str(user["task"]), str(user["visit"])) for user in data["users"])
            by = data["stopping"]
            return cls(users, User(str(by["task"]), str(by["visit"])) if by else None)
        except (KeyError, TypeError) as error:
            raise JobRecordError(
                f"{source} is not the record of a job's users ({error!r}): delete it; then a job may be "
                "stopped although another run waits for it."
            ) from None

    def to_json(self) -> bytes:
        """Return one line of JSON."""
        users = [_plain(user) for user in self.users]
        return (json.dumps({"stopping": _plain(self.stopping), "users": users}) + "\n").encode()

    def entered(self, user: User, *, never_started: bool = False) -> JobRecord | None:
        """Return the record with this user, in the place of an earlier visit; None: the job is stopping.

        ``never_started`` says that there is no such job: then there is nothing to stop, whoever wanted to.
        """
        if self.stopping is not None and not never_started:
            return None
        return JobRecord((*self.others(user), user))

    def left(self, user: User, *, stop: bool) -> JobRecord:
        """Return the record without this user, stopping if it was the last one and ``stop`` is wanted.

        Nothing changes for a visit that is over.
        """
        if user not in self.users:
            return self
        others = self.others(user)
        return JobRecord(others, user if stop and not others and self.stopping is None else self.stopping)

    def others(self, user: User) -> tuple[User, ...]:
        """Return the users of other tasks."""
        return tuple(other for other in self.users if other.task != user.task)


@dataclass(frozen=True, slots=True)
class Departure:
    """What became of a job when a user left it.

    Attributes
    ----------
    stop
        Whether this user has to stop the job now.
    others
        Who still uses it.
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


def _plain(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"task": user.task, "visit": user.visit}
