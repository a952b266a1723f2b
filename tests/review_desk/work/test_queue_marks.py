"""Where a person's part of the queue begins: marks save walks and change nothing of what anybody is given."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from include.review_desk.work import assignment, housekeeping, standing, submission, tasks
from include.review_desk.work.queue_marks import START, QueueMarks
from tests.review_desk.in_process import clock, desk, person, sign_in, start

__all__ = ["clock", "desk", "person"]


class MarkedQueue(RuleBasedStateMachine):
    """One person at a queue that others work on, too: what a mark hides, nobody may be kept from."""

    def __init__(self) -> None:
        super().__init__()
        self.marks = QueueMarks()
        self.now_ms = 10_000_000
        self.loops: list[tuple[tuple[int, int], bool]] = []

    @rule()
    def a_loop_arrives(self) -> None:
        self.loops.append(((self.now_ms, len(self.loops)), True))

    @rule(late_ms=st.integers(0, 59_000))
    def a_loop_is_committed_late(self, late_ms: int) -> None:
        self.loops.append(((self.now_ms - late_ms, len(self.loops)), True))

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        self.now_ms += seconds * 1000

    @rule()
    def the_person_takes_the_first(self) -> None:
        age, place = self.marks.age, self.marks.place(1, 1, self.now_ms)
        first = min((loop for loop, open_ in self.loops if open_ and loop >= place), default=None)
        self.marks.note(age, 1, 1, first, self.now_ms)
        self.loops = [(loop, open_ and loop != first) for loop, open_ in self.loops]

    @rule(which=st.integers(0, 100), looks=st.booleans())
    def a_loop_is_given_back(self, which: int, looks: bool) -> None:
        """A look that began before and ends after must not leave its mark."""
        if not self.loops:
            return
        age, seen = self.marks.age, min((loop for loop, open_ in self.loops if open_), default=None)
        self.loops[which % len(self.loops)] = (self.loops[which % len(self.loops)][0], True)
        self.marks.forget()
        if looks:
            self.marks.note(age, 1, 1, seen, self.now_ms)

    @invariant()
    def nothing_is_hidden(self) -> None:
        place = self.marks.place(1, 1, self.now_ms)
        assert not [loop for loop, open_ in self.loops if open_ and loop < place]


TestMarkedQueue = MarkedQueue.TestCase
TestMarkedQueue.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


def test_every_mark_is_forgotten_after_a_minute():
    marks = QueueMarks()
    marks.note(marks.age, 1, 1, (500, 7), 100_000)
    assert marks.place(1, 1, 159_999) == (500, 7)
    # Moving it on makes it no younger.
    marks.note(marks.age, 1, 1, (600, 8), 150_000)
    assert marks.place(1, 1, 159_999) == (600, 8)
    assert marks.place(1, 1, 160_000) == START
    assert marks.place(2, 1, 110_000) == marks.place(1, 2, 110_000) == START


def test_what_comes_back_is_offered_at_once_to_who_is_far_ahead(desk, clock, person):
    other = sign_in(desk, "bob")
    for number in range(4):
        start(desk, f"loop-{number}", TaskCount=1)
        clock.forward(100)
    first = tasks.next_task(desk, other)
    assert first.loop == "loop-0"
    for name in ("loop-1", "loop-2"):
        task = tasks.next_task(desk, person)
        assert task.loop == name
        submission.answer(desk, person, task.task, {"a": 1})
    assert assignment.ahead(desk, person) == "loop-3"
    tasks.hand_back(desk, other, first.task)
    assert assignment.ahead(desk, person) == "loop-0"
    tasks.next_task(desk, other)
    assert assignment.ahead(desk, person) == "loop-3"
    clock.forward(100)
    housekeeping.sweep(desk)
    assert assignment.ahead(desk, person) == "loop-0"
    assert standing.queue(desk, person).waiting == 2
