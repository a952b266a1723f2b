"""Who stops a job: the rules alone, in every order that hypothesis can think of."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from secondlook.failures.exceptions import RecordError
from secondlook.jobs.record import Departure, JobRecord, User

TASKS = ("monday", "tuesday", "wednesday")
tasks = st.sampled_from(TASKS)


def test_the_record_comes_back() -> None:
    record = JobRecord(users=(User("a", "1"), User("b", "2")), stopping=User("c", "3"))
    for written in (record, JobRecord()):
        assert JobRecord.from_json(written.to_json(), source="s3://b/k") == written


@pytest.mark.parametrize("data", [b"[]", b'{"users": [{}]}', b'{"users": 1}', b"null"])
def test_a_damaged_record_is_a_sentence(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"s3://b/k .*; delete it; then a job may be stopped"):
        JobRecord.from_json(data, source="s3://b/k")


class Jobs(RuleBasedStateMachine):
    """Tasks come, are killed without a word, come again, finish or are ended; writes are lost or repeated.

    Whoever reads holds the record as it was and swaps only if nobody has swapped since, as in S3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = 1
        self.record = JobRecord()
        self.waiting: dict[str, User] = {}
        """The visit that each task believes in, of the job that has this name."""
        self.former: list[User] = []
        self.visits = 0
        self.started: set[int] = set()
        self.stops: Counter[int] = Counter()

    @rule(task=tasks)
    def come(self, task: str) -> None:
        """First, after a kill -9, or after a clear while the stop of the last visit is still on its way."""
        self.visits += 1
        user = User(task, str(self.visits))
        entered = self.record.entered(user, never_started=self.name not in self.started)
        if user not in entered.users:
            # The next free name.
            self.name += 1
            self.record, self.waiting = JobRecord(), {}
            entered = self.record.entered(user)
            assert user in entered.users
        if task in self.waiting:
            self.former.append(self.waiting[task])
        self.record = entered
        self.waiting[task] = user

    @rule(task=tasks)
    def start(self, task: str) -> None:
        if task in self.waiting:
            self.started.add(self.name)

    @rule(task=tasks, answers=st.integers(1, 3))
    def end(self, task: str, answers: int) -> None:
        """Mark failed, clear, time-out; the process may have to ask several times whether it was heard."""
        if task not in self.waiting:
            return
        user = self.waiting.pop(task)
        stop = False
        for _ in range(answers):
            self.record = self.record.left(user, stop=True)
            stop = Departure.of(self.record, user).stop
        if stop:
            assert not self.waiting, "somebody else still waits for the job that is being stopped"
            if self.name in self.started:
                self.stops[self.name] += 1

    @rule(task=tasks)
    def finish(self, task: str) -> None:
        if task in self.waiting:
            user = self.waiting.pop(task)
            self.record = self.record.left(user, stop=False)
            assert not Departure.of(self.record, user).stop

    @rule(data=st.data())
    def end_late(self, data: st.DataObject) -> None:
        """The stop of a visit whose task has come again in the meantime."""
        if not self.former:
            return
        user = data.draw(st.sampled_from(self.former))
        before = self.record
        self.record = self.record.left(user, stop=True)
        departure = Departure.of(self.record, user)
        assert self.record == before
        assert not departure.stop
        if user.task in self.waiting:
            assert departure.returned

    @invariant()
    def a_job_is_stopped_at_most_once(self) -> None:
        assert all(count == 1 for count in self.stops.values())

    @invariant()
    def the_record_holds_exactly_who_waits(self) -> None:
        if self.record.stopping is None:
            assert set(self.record.users) == set(self.waiting.values())
        else:
            assert not self.record.users
            assert not self.waiting

    @invariant()
    def nobody_is_entered_twice(self) -> None:
        entered = [user.task for user in self.record.users]
        assert len(entered) == len(set(entered))


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
