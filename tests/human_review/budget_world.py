"""One deployment in memory in which launches run side by side, stop at every remote call and die on demand.

The operator and everything below it are the real ones, down to the calls of the object store and of the
review service. Each launch is a greenlet, so that the order of the calls is exact and a thousand examples
take seconds: waking a thread costs more than all that a launch does between two calls.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

from greenlet import GreenletExit, getcurrent, greenlet

from secondlook import jsonl
from secondlook.detection import Box, Detection, Prediction
from secondlook.hooks.a2i import InvalidLoopError
from secondlook.hooks.s3 import ObjectChangedError, ObjectHead, ObjectMissingError, StoredObject
from secondlook.layout import Layout
from secondlook.operators.launch import HumanLoopStartOperator
from secondlook.review import Claims, LedgerLine, MonthBudget, NightSelection
from secondlook.review.flow_definition import ActiveFlow
from secondlook.runtime.pace import Timing
from tests.support.airflow import TaskInstance
from tests.support.review_project import LABELS, MODEL

LAYOUT = Layout("cells", "p")
NIGHTS = ("2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30", "2026-12-01")
AFTERWARDS, AND_THEN = "2026-12-15", "2026-12-16"
MONTHS = ("2026-11", "2026-12")
PRICE = Decimal("0.08")
REVIEWERS = 2
COST = PRICE * REVIEWERS
# What no launch changes: reading it is no moment at which others may come in between.
PREDICTIONS = "p/predictions/"
WRITES = frozenset({"write", "write_if_absent", "compare_and_swap", "delete", "start"})


class Killed(BaseException):
    """What kill -9 is to a process."""


def nothing(*arguments: object, **more: object) -> None:
    """Stand in for what has no part in budgets."""


class Silence:
    """A log for a thousand examples."""

    debug = info = warning = error = staticmethod(nothing)


class QuietLaunch(HumanLoopStartOperator):
    """The operator, without a log."""

    log = Silence()


class Run:
    """One launch that moves only when told."""

    def __init__(self, world: World, night: str, **arguments: object) -> None:
        self.night = night
        self.error: BaseException | None = None
        self._fault = ""
        self._next_call = ""
        operator = world.launch(night, **arguments)
        operator.store = Stepped(world.objects, self)
        operator.service = Stepped(world.desk, self)
        operator.timing = Timing(now=world.clock, sleep=nothing, after_lost_swap=nothing)
        self._greenlet = greenlet(self._work)
        world.runs.append(self)
        # Up to its first call, which is made by the first step.
        self._greenlet.switch(operator)

    @property
    def ended(self) -> bool:
        return self._greenlet.dead

    @property
    def about_to_write(self) -> bool:
        """Whether its next call changes something: the moment at which others may come in between."""
        return self._next_call in WRITES

    def step(self, fault: str = "") -> None:
        """Make the next call, or end."""
        self._fault = fault
        self._greenlet.switch()

    def call(self, function, *arguments, **more):
        """Wait for the turn; called in the run, around each remote call."""
        if str(arguments[0]).startswith(PREDICTIONS):
            return function(*arguments, **more)
        self._next_call = function.__name__
        getcurrent().parent.switch()
        if self._fault == "before":
            raise Killed
        result = function(*arguments, **more)
        if self._fault == "after":
            raise Killed
        return result

    def finish(self) -> None:
        while not self.ended:
            self.step()

    def abandon(self) -> None:
        if not self.ended:
            self._greenlet.throw(GreenletExit)

    def _work(self, operator: HumanLoopStartOperator) -> None:
        try:
            operator.execute({"ti": TaskInstance("manual__1", "launch")})
        except GreenletExit:
            raise
        except BaseException as error:
            self.error = error


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
        self.metadata: dict[str, dict[str, str]] = {}
        self.writes = 0

    def read(self, key):
        if key not in self.data:
            raise ObjectMissingError(key)
        return self.data[key]

    def read_jsonl(self, key):
        data, etag = self.read(key)
        return jsonl.decode(data), etag

    def exists(self, key):
        return key in self.data

    def head(self, key):
        data, etag = self.read(key)
        return ObjectHead(etag, len(data), self.metadata[key])

    def list_objects(self, prefix, after=""):
        listed = [item for item in sorted(self.data.items()) if item[0].startswith(prefix)]
        return [StoredObject(key, etag, len(data)) for key, (data, etag) in listed if key > after]

    def write(self, key, data, *, metadata=None):
        self.writes += 1
        self.data[key] = (data, f"etag-{self.writes}")
        self.metadata[key] = metadata or {}

    def write_if_absent(self, key, data, *, metadata=None):
        if key in self.data:
            raise ObjectChangedError(key)
        self.write(key, data, metadata=metadata)

    def compare_and_swap(self, key, data, expected_etag, *, metadata=None):
        if self.data.get(key, (b"", ""))[1] != expected_etag:
            raise ObjectChangedError(key)
        self.write(key, data, metadata=metadata)

    def delete(self, key):
        self.writes += 1
        self.data.pop(key, None)

    def uri(self, key):
        return LAYOUT.uri(key)


class Desk:
    """The review service: starts a loop once, refuses some as invalid until that is corrected."""

    control = SimpleNamespace(meta=SimpleNamespace(endpoint_url="http://desk"))

    def __init__(self) -> None:
        self.loops: set[str] = set()
        self.refuses = False
        self.starts = 0

    def flow(self, name):
        return ActiveFlow(f"arn:{name}", REVIEWERS)

    def describe(self, name):
        return name if name in self.loops else None

    def start(self, flow_arn, name, content):
        # One loop in two, by its name.
        if self.refuses and int(name[-1], 16) % 2 == 0:
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
        self.runs: list[Run] = []
        self.predictions = {
            night: [prediction(night, i) for i in range(n)] for night, n in zip(NIGHTS, images, strict=True)
        }
        for night, predictions in self.predictions.items():
            self.score(night, predictions)
        for night in (AFTERWARDS, AND_THEN):
            self.score(night)
        self.now = datetime(2026, 11, 30, 23, tzinfo=UTC)
        # Loops that were started while no budget was set; they are not counted.
        self.uncounted: set[str] = set()
        self._checked = (0, 0)
        self._launches: dict[object, HumanLoopStartOperator] = {}

    def score(self, night: str, predictions: Sequence[Prediction] = ()) -> None:
        """Write a night's predictions as the scoring task does."""
        self.predictions[night] = list(predictions)
        records = jsonl.encode_gzip(prediction.to_record() for prediction in predictions)
        self.objects.write(LAYOUT.prediction_part(night, MODEL, 0), records)

    def launch_without_budget(self, night: str, calls: int) -> None:
        """Launch a night while no limit is set, and kill it before a call unless it ended earlier."""
        run = Run(self, night, **dict.fromkeys(("month_limit", "month_money", "night_money")))
        for _ in range(calls):
            if not run.ended:
                run.step()
        if not run.ended:
            run.step("before")
        self.uncounted = set(self.desk.loops)

    def launch(self, night: str, **arguments: object) -> HumanLoopStartOperator:
        """The operator as a new process would make it; Airflow takes longer for that than for a launch."""
        arguments = {**self.limits, **arguments}
        key = (night, *sorted(arguments.items()))
        if key not in self._launches:
            choose_again = arguments.pop("choose_again", False)
            review = {
                "audit_share": 0,
                "policy": "random",
                "price_per_review": PRICE,
                "postponed_nights": 20,
                "loops_per_second": 1000,
            }
            self._launches[key] = QuietLaunch(
                task_id="launch",
                bucket=LAYOUT.bucket,
                prefix=LAYOUT.prefix,
                night=night,
                model=MODEL,
                flow_definition_name="cells",
                labels=LABELS,
                review={**review, **arguments},
                choose_again=choose_again,
            )
        return copy(self._launches[key])

    def clock(self) -> datetime:
        return self.now

    @contextlib.contextmanager
    def staged(self) -> Iterator[None]:
        """Leave no run behind."""
        try:
            yield
        finally:
            # A failed example leaves runs in the middle of a call. In Python 3.11 one that is in a
            # cached_property holds a lock of its class, for which the threads of later tests would wait.
            for run in self.runs:
                run.abandon()

    def month(self, month: str) -> MonthBudget:
        data, _ = self.objects.data.get(LAYOUT.budget(month), (b"", ""))
        return MonthBudget.from_json(data, source=month) if data else MonthBudget(month=month)

    def ledger(self, night: str) -> list[LedgerLine]:
        data, _ = self.objects.data.get(LAYOUT.ledger(night), (b"", ""))
        return [LedgerLine.from_record(record) for record in jsonl.decode(data)]

    def selection(self, night: str) -> NightSelection:
        return NightSelection.from_json(self.objects.read(LAYOUT.review_selection(night, 1))[0], source=night)

    def marks(self) -> list[str]:
        """Nights that are marked as having postponed images."""
        folder = LAYOUT.postponed_marks() + "/"
        return [item.key.rpartition("/")[2] for item in self.objects.list_objects(folder)]

    def reserved(self) -> list[str]:
        held = [self.month(month).reservations.values() for month in MONTHS]
        return [loop for reservations in held for r in reservations for loop in r.loops]

    def check(self) -> None:
        """What must hold at every moment; looked at whenever something was written or started."""
        moment = (self.objects.writes, len(self.desk.loops))
        if moment == self._checked:
            return
        self._checked = moment
        reserved = self.reserved()
        assert len(set(reserved)) == len(reserved), "a loop is reserved twice"
        assert self.desk.loops <= set(reserved) | self.uncounted, "a loop started without a reservation"
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
        counted = self.desk.loops - self.uncounted
        assert sorted(self.reserved()) == sorted(counted), "room is reserved that no loop uses"
        for night in self.predictions:
            lines = self.ledger(night)
            assert len([x for x in lines if x.from_night is None]) == len(self.predictions[night])
            data, _ = self.objects.data.get(LAYOUT.taken_up(night), (b"{}", ""))
            claims = Claims.from_json(data, source="claims").claimed
            postponed = {line.loop for line in lines if not line.asked}
            assert postponed <= set(claims) or night in self.marks(), "a postponed image is not to be found"
            for loop, by in claims.items():
                takers = {x.loop for x in self.ledger(by.partition("/")[0]) if x.asked}
                assert loop in takers, "an image is claimed that its claimant does not ask"

    def take_up_the_rest(self) -> None:
        """Launch a night with room for all that waits, and one after it that looks whether anything does."""
        self.now = datetime(2026, 12, 15, 3, tzinfo=UTC)
        for night in (AFTERWARDS, AND_THEN):
            run = Run(self, night, limit=99, month_limit=99, month_money=None, night_money=None)
            run.finish()
            assert run.error is None, run.error
            self.check_end()
        for night in NIGHTS:
            missing = {line.loop for line in self.ledger(night)} - self.desk.loops
            assert not missing, "no night asks about a postponed image"
        assert self.ledger(AND_THEN) == []
        assert self.marks() == [], "a night is marked of which nothing waits"


def prediction(night: str, number: int) -> Prediction:
    detection = Detection(0, 0.5, Box(10.0, 10.0, 20.0, 20.0))
    image = LAYOUT.uri(f"p/images/{night}/{number}.jpg")
    sha256 = hashlib.sha256(image.encode()).hexdigest()
    return Prediction(image, "e", 100, 100, 3, MODEL, (detection,), sha256)
