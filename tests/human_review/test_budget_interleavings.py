"""Launches that run side by side, die anywhere and are run again: the budget holds and nothing leaks.

The real operator runs in threads of which one at a time moves, by one call of S3 or of the review service,
in the order that hypothesis draws. A run may be killed before such a call or after it took effect.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from unittest import mock

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.detection import Box, Detection, Prediction
from secondlook.errors import SecondLookError
from secondlook.hooks import budgets
from secondlook.hooks.human_loops import ActiveFlow, InvalidLoopError
from secondlook.hooks.store import ObjectChangedError, ObjectMissingError, StoredObject
from secondlook.layout import Layout
from secondlook.links import ReviewLink
from secondlook.operators.human_loops import HumanLoopStartOperator, OverBudgetError
from secondlook.review import LedgerLine, MonthBudget, ReviewPlan
from tests.human_review.conftest import LABELS, MODEL, TaskInstance

LAYOUT = Layout("cells", "p")
NIGHTS = ("2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30")
AFTERWARDS = "2026-12-15"
MONTHS = ("2026-11", "2026-12")
PRICE = Decimal("0.08")
REVIEWERS = 2
COST = PRICE * REVIEWERS


class Killed(BaseException):
    """What kill -9 is to a process."""


class Silence:
    """A log for a thousand examples."""

    def __getattr__(self, name: str):
        return lambda *arguments, **more: None


class Run:
    """One launch in a thread that moves only when told."""

    def __init__(self, world: World, night: str, **arguments: object) -> None:
        self.night = night
        self.error: BaseException | None = None
        self.ended = False
        self._fault = ""
        self._go, self._there = threading.Semaphore(0), threading.Semaphore(0)
        operator = HumanLoopStartOperator(
            **{
                "task_id": "launch",
                "bucket": LAYOUT.bucket,
                "prefix": LAYOUT.prefix,
                "night": night,
                "model": MODEL,
                "flow_definition_name": "cells",
                "labels": LABELS,
                "audit_share": 0,
                "review_policy": "random",
                "price_per_review": PRICE,
                "deferred_nights": 20,
                **world.limits,
                **arguments,
            }
        )
        operator.__dict__["store"] = Stepped(world.objects, self)
        operator.__dict__["service"] = Stepped(world.desk, self)
        # Not by a call: until Python 3.12 a cached property that is being computed holds up all instances.
        operator.__dict__["flow"] = world.desk.flow("cells")
        operator._log = Silence()
        operator._predictions = lambda model: world.predictions[night]
        self._thread = threading.Thread(target=self._work, args=(operator,), daemon=True)
        self._thread.start()
        self._there.acquire()

    def step(self, fault: str = "") -> None:
        """Make the next call, or end."""
        self._fault = fault
        self._go.release()
        self._there.acquire()

    def call(self, function, *arguments, **more):
        """Wait for the turn; called in the thread, around each remote call."""
        self._there.release()
        self._go.acquire()
        if self._fault == "before":
            raise Killed
        result = function(*arguments, **more)
        if self._fault == "after":
            raise Killed
        return result

    def finish(self) -> None:
        while not self.ended:
            self.step()

    def _work(self, operator: HumanLoopStartOperator) -> None:
        try:
            operator.execute({"ti": TaskInstance()})
        except BaseException as error:
            self.error = error
        self.ended = True
        self._there.release()


class Stepped:
    """A service whose every call is one step of a run."""

    def __init__(self, service: object, run: Run) -> None:
        self._service, self._run = service, run

    def __getattr__(self, name: str):
        member = getattr(self._service, name)
        if name in ("uri", "control") or not callable(member):
            return member
        return lambda *arguments, **more: self._run.call(member, *arguments, **more)


class Objects:
    """S3 as far as a launch uses it, conditions included."""

    def __init__(self) -> None:
        self.data: dict[str, tuple[bytes, str]] = {}
        self._writes = 0

    def read(self, key):
        if key not in self.data:
            raise ObjectMissingError(key)
        return self.data[key]

    def read_jsonl(self, key):
        data, etag = self.read(key)
        return jsonl.decode(data), etag

    def exists(self, key):
        return key in self.data

    def list_objects(self, prefix):
        return [StoredObject(k, e, len(d)) for k, (d, e) in sorted(self.data.items()) if k.startswith(prefix)]

    def write(self, key, data, **more):
        self._writes += 1
        self.data[key] = (data, f"etag-{self._writes}")

    def write_if_absent(self, key, data, **more):
        if key in self.data:
            raise ObjectChangedError(key)
        self.write(key, data)

    def compare_and_swap(self, key, data, expected_etag):
        if self.data.get(key, (b"", ""))[1] != expected_etag:
            raise ObjectChangedError(key)
        self.write(key, data)

    def uri(self, key):
        return LAYOUT.uri(key)


class Desk:
    """The review service: starts a loop once, refuses some as invalid until that is corrected."""

    control = None

    def __init__(self) -> None:
        self.loops: set[str] = set()
        self.refuses = False
        self.starts = 0

    def flow(self, name):
        return ActiveFlow(f"arn:{name}", REVIEWERS)

    def describe(self, name):
        return name if name in self.loops else None

    def start(self, flow_arn, name, content):
        # One loop in four, by its name.
        if self.refuses and int(name[-1], 16) % 4 == 0:
            raise InvalidLoopError(f"{name} is refused")
        # The same name with the same input is the same loop: two runs of one night may both send it.
        self.starts += name not in self.loops
        self.loops.add(name)
        return True


class World:
    """One deployment, several nights."""

    def __init__(self, images: list[int], limits: dict[str, object], refuses: bool) -> None:
        self.objects, self.desk = Objects(), Desk()
        self.desk.refuses = refuses
        self.limits = limits
        self.predictions = {
            night: [prediction(night, i) for i in range(n)] for night, n in zip(NIGHTS, images, strict=True)
        }
        self.predictions[AFTERWARDS] = []
        self.now = datetime(2026, 11, 30, 23, tzinfo=UTC)

    @contextlib.contextmanager
    def staged(self) -> Iterator[None]:
        """The world's clock, no pauses, and nothing that has no part in budgets."""
        with (
            mock.patch.object(budgets, "utc_now", side_effect=lambda: self.now),
            mock.patch.object(budgets, "pause"),
            mock.patch.object(ReviewLink, "persist"),
            mock.patch("secondlook.operators.review_budget.recent_seconds", return_value=None),
        ):
            yield

    def month(self, month: str) -> MonthBudget:
        data, _ = self.objects.data.get(LAYOUT.budget(month), (b"", ""))
        return MonthBudget.from_json(data, source=month) if data else MonthBudget(month)

    def ledger(self, night: str) -> list[LedgerLine]:
        data, _ = self.objects.data.get(LAYOUT.ledger(night), (b"", ""))
        return [LedgerLine.from_record(record) for record in jsonl.decode(data)]

    def plan(self, night: str) -> ReviewPlan:
        return ReviewPlan.from_json(self.objects.read(LAYOUT.review_plan(night, 1))[0], source=night)

    def reserved(self) -> list[str]:
        held = [self.month(month).reservations.values() for month in MONTHS]
        return [loop for reservations in held for r in reservations for loop in r.loops]

    def check(self) -> None:
        """What must hold at every moment."""
        reserved = self.reserved()
        assert len(set(reserved)) == len(reserved), "a loop is reserved twice"
        assert self.desk.loops <= set(reserved), "somebody is asked without a reservation"
        for month in MONTHS:
            budget = self.month(month)
            assert budget.images <= self.limits.get("month_limit", 999)
            assert budget.spent <= self.limits.get("month_money", 999)
            for reservation in budget.reservations.values():
                assert reservation.cost <= self.limits.get("night_money", 999)

    def check_end(self) -> None:
        """What must hold once every night was run to its end."""
        self.check()
        asked = [line.loop for night in self.predictions for line in self.ledger(night) if line.asked]
        assert len(set(asked)) == len(asked), "two nights ask about one image"
        assert sorted(self.reserved()) == sorted(self.desk.loops), "room is reserved that nobody uses"
        for night in self.predictions:
            lines = self.ledger(night)
            assert len([x for x in lines if x.from_night is None]) == len(self.predictions[night])
            claims = jsonl.decode_object(
                self.objects.data.get(LAYOUT.taken_up(night), (b"{}", ""))[0], source="claims"
            )
            for loop, by in claims.items():
                takers = {x.loop for x in self.ledger(by.partition("/")[0]) if x.asked}
                assert loop in takers, "an image is claimed that its claimant does not ask"


def prediction(night: str, number: int) -> Prediction:
    detection = Detection(0, 0.5, Box(10.0, 10.0, 20.0, 20.0))
    return Prediction(LAYOUT.uri(f"p/images/{night}/{number}.jpg"), "e", 100, 100, 3, MODEL, (detection,))


limits = st.fixed_dictionaries(
    {"review_limit": st.integers(4, 8), "month_limit": st.integers(0, 12)},
    optional={
        "month_money": st.integers(0, 9).map(lambda images: images * COST + Decimal("0.05")),
        "night_money": st.integers(0, 4).map(lambda images: images * COST),
    },
)
# A byte of the schedule: which of three runs moves, by how many calls, and what befalls it.
FAULTS = ("", "", "", "", "", "", "before", "after")


def move(world: World, runs: dict[int, Run], byte: int, turn: int) -> None:
    slot, calls, fault = byte % 3, 1 + (byte // 3) % 5, FAULTS[(byte // 15) % 8]
    if byte >= 240:
        # The month ends while launches are under way.
        world.now = datetime(2026, 12, 1, tzinfo=UTC)
    if slot not in runs:
        runs[slot] = Run(world, NIGHTS[(byte // 3 + turn) % len(NIGHTS)])
    for _ in range(calls):
        runs[slot].step()
        world.check()
        if runs[slot].ended:
            break
    else:
        if fault:
            runs[slot].step(fault)
            world.check()
    if runs[slot].ended:
        error = runs.pop(slot).error
        assert error is None or isinstance(error, Killed | InvalidLoopError | OverBudgetError), error


# Without shrinking: the threads of a failed example stay where they are.
@settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    images=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    limits=limits,
    refuses=st.booleans(),
    schedule=st.binary(min_size=20, max_size=120),
)
def test_the_budget_is_never_exceeded_and_never_leaks(images, limits, refuses, schedule):
    world = World(images, limits, refuses)
    with world.staged():
        runs: dict[int, Run] = {}
        for turn, byte in enumerate(schedule):
            move(world, runs, byte, turn)
        for run in runs.values():
            run.finish()
            world.check()
        # A person corrects what was refused, and every night is run again.
        world.desk.refuses = False
        for night in NIGHTS:
            run = Run(world, night)
            run.finish()
            assert run.error is None or isinstance(run.error, OverBudgetError), run.error
        world.check_end()
        started = world.desk.starts
        for night in NIGHTS:
            Run(world, night).finish()
        assert world.desk.starts == started, "a night run again asks somebody"


def test_a_later_night_with_room_takes_up_all_that_was_deferred():
    world = World([4, 4, 4, 4], {"review_limit": 8, "month_limit": 6}, refuses=False)
    with world.staged():
        for night in NIGHTS:
            Run(world, night).finish()
        assert world.desk.starts == 6
        world.now = datetime(2026, 12, 15, 3, tzinfo=UTC)
        del world.limits["month_limit"]
        Run(world, AFTERWARDS, review_limit=8).finish()
        ledger = world.ledger(AFTERWARDS)
        assert [line.from_night for line in ledger] == [NIGHTS[1]] * 2 + [NIGHTS[2]] * 4 + [NIGHTS[3]] * 2
        assert [line.rank for line in ledger] == list(range(1, 9))
        deferred = [line for night in NIGHTS[1:] for line in world.ledger(night) if not line.asked]
        assert {line.state_reason for line in deferred} == {"over budget"}
        as_deferred = [
            replace(x, state="deferred", state_reason="over budget", from_night=None, rank=y.rank)
            for x, y in zip(ledger, deferred[:8], strict=True)
        ]
        assert as_deferred == deferred[:8]
        assert world.plan(AFTERWARDS).month == "2026-12"
        world.check_end()


def test_limits_in_number_and_money_hold_at_once():
    """A month of 1.00 has room for six images at 0.16, a night of 0.35 for two."""
    world = World(
        [4, 4, 4, 4], {"review_limit": 8, "month_money": "1.00", "night_money": "0.35"}, refuses=False
    )
    with world.staged():
        for night in NIGHTS:
            Run(world, night).finish()
    asked = [sum(line.asked for line in world.ledger(night)) for night in NIGHTS]
    assert asked == [2, 2, 2, 0]
    assert [line.rank for line in world.ledger(NIGHTS[0]) if line.asked] == [1, 2]
    assert world.month("2026-11").spent == Decimal("0.96")


def test_a_damaged_budget_stops_the_launch_with_a_sentence():
    world = World([1, 0, 0, 0], {"review_limit": 8, "month_limit": 6}, refuses=False)
    world.objects.write(LAYOUT.budget("2026-11"), b'{"month": "2026-11"}')
    with world.staged():
        run = Run(world, NIGHTS[0])
        run.finish()
    assert isinstance(run.error, SecondLookError)
    assert "p/budgets/2026-11.json cannot be read" in str(run.error)
    assert world.desk.loops == set()
