"""The remote calls of a night, numbered, and what can go wrong with each.

:class:`Wiretap` sits in every process of a night, around botocore's and aiobotocore's API calls and below
them around urllib3 and aiohttp, so that the clients' own error mapping and retries are at work. Nothing is
waited for: a client's back-off between attempts is left out, a stall moves the clock.
"""

from __future__ import annotations

import contextvars
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.night import Instance
    from tests.faults.process import Line, Order

PAGE_SIZE = 2
"""Items of a page of any listing, so that every listing of a night has several."""

KINDS = (
    "refused",
    "reset once",
    "reset",
    "429",
    "500",
    "503",
    "half-read",
    "stall",
    "kill before",
    "kill after",
    "server",
)
"""refused: nobody listens, at none of the client's attempts. reset once: the server acted, then the
connection broke; the client's next attempt gets through. reset: as before, at every attempt. 429, 500, 503:
the answer to every attempt. half-read: the answer breaks off half-way, at every attempt. stall: the answer
takes 60 s. kill before, kill after: SIGKILL to the process before the request is sent, or once the server has
answered it. server: SIGKILL to the server, which comes back with what it has written down, before the request
is sent."""
EVERY_ATTEMPT = frozenset({"refused", "reset", "429", "500", "503", "half-read"})
STALL_SECONDS = 60.0
_NAMED = re.compile(r"second-look(-[a-z]+)*-[0-9a-f]{12,}(-\d+)?")
_HASH = re.compile(r"\b[0-9a-f]{12,64}\b")
_LAUNCHED = re.compile(r'(postponed/|"selected_on": ?")\d{4}-\d\d-\d\d')
_OUTPUT = re.compile(r"(reviews/a2i/).*(?=/second-look-)")
_PAGE_MEMBERS = {
    "ListObjectsV2": "MaxKeys",
    "ListHumanLoops": "MaxResults",
    "ListModels": "MaxResults",
    "ListEndpointConfigs": "MaxResults",
    "ListEndpoints": "MaxResults",
}


@dataclass(frozen=True, order=True)
class Call:
    """One remote call of a night; the same in every night, whatever its deployment is called.

    ``actor`` is ``task`` or ``trigger``; ``target`` the object's key without the deployment's prefix, empty
    where a service is asked for something else; ``nth`` counts equal calls of the task from 1.
    """

    task: str
    actor: str
    service: str
    operation: str
    target: str
    nth: int

    def __str__(self) -> str:
        what = f"{self.operation} {self.target}".strip()
        return f"{self.task} ({self.actor}): {self.service} {what} no. {self.nth}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with which call, in a night scored in which way."""

    call: Call
    kind: str
    way: str = "endpoint"

    def __str__(self) -> str:
        return f"{self.kind} at {self.call} ({self.way})"


@dataclass
class Attempt:
    """An API call that is under way in this process: its fault, if any, and how often it was sent."""

    call: Call
    kind: str | None
    sent: int = 0


CURRENT: contextvars.ContextVar[Attempt | None] = contextvars.ContextVar("attempt", default=None)


@dataclass
class Wiretap:
    """Counts the calls of a night and injects its faults, each once.

    :param prefix: the deployment's prefix, left out of keys.
    :param faults: what is to go wrong; after a fault's try the same call goes through.
    """

    prefix: str
    faults: tuple[Fault, ...] = ()
    way: str = "endpoint"
    restart: Callable[[str], None] = print
    """Kills a server and starts it again."""
    calls: list[Call] = field(default_factory=list)
    bodies: set[Call] = field(default_factory=set)
    """Calls whose answer has a body that can break off."""
    injected: list[Fault] = field(default_factory=list)
    _counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def instrument(self, order: Order, line: Line) -> None:
        """Tap this process (a fork: what it counts comes back through ``line``)."""
        from tests.faults.wires import tap

        tap(self, order, line)

    def number(self, task: str, actor: str, service: str, operation: str, target: str) -> Call:
        """Give the next call of its kind its number."""
        key = (task, actor, service, operation, target)
        self._counts[key] += 1
        return Call(*key, nth=self._counts[key])

    def kind_for(self, call: Call) -> str | None:
        """What is still to go wrong with this call."""
        return next((f.kind for f in self.faults if f.call == call and f not in self.injected), None)

    def hear(self, instance: Instance, step: str, kind: str, value: Any) -> None:
        """Take what a tapped process tells."""
        if kind == "call":
            self.calls.append(value)
            key = (value.task, value.actor, value.service, value.operation, value.target)
            self._counts[key] = max(self._counts[key], value.nth)
        elif kind == "body":
            self.bodies.add(value)
        elif kind == "injected":
            self.injected.append(value)
        elif kind == "server":
            self.restart(value)

    def target(self, params: dict[str, Any]) -> str:
        """The part of a request that tells it from others of its kind, without names that hold hashes."""
        key = str(params.get("Key") or params.get("Prefix") or "")
        return neutral(_OUTPUT.sub(r"\1", key.removeprefix(f"{self.prefix}/")))


def neutral(text: str) -> str:
    """Leave out names and hashes that follow from a deployment's name, and the day of a launch."""
    return _LAUNCHED.sub(r"\1DAY", _HASH.sub("HASH", _NAMED.sub("NAME", text)))


def with_small_pages(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Ask for short pages."""
    member = _PAGE_MEMBERS.get(operation)
    return {**params, member: PAGE_SIZE} if member else params


def server_of(call: Call) -> str:
    """Which server answers a call; flow definitions are the Review Desk's."""
    if call.service in {"s3", "sqs"}:
        return "s3"
    desk = call.service == "sagemaker-a2i-runtime" or "FlowDefinition" in call.operation
    return "desk" if desk else "sagemaker"
