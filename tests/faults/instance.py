"""A task instance of a night, and what the states of those before it make of it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed"})
WORST_FIRST = (
    *("none", "up_for_retry", "running", "deferred", "awaiting_input", "scheduled"),
    *("failed", "upstream_failed"),
)


@dataclass
class Process:
    """A running try or trigger."""

    pid: int
    connection: Connection
    step: str


@dataclass
class Instance:
    """One task instance."""

    task_id: str
    map_index: int
    max_tries: int
    state: str = "none"
    try_number: int = 0
    ti_id: uuid.UUID = field(default_factory=uuid.uuid4)
    next_method: str | None = None
    next_kwargs: Any = None
    trigger: tuple[str, dict[str, Any]] | None = None
    trigger_deadline: float | None = None
    process: Process | None = None
    reported: bool = False
    kills: int = 0
    """How many of its processes ended without a word."""

    @property
    def key(self) -> tuple[str, int]:
        return self.task_id, self.map_index


def worst(states: Collection[str]) -> str:
    """The state of a task: that of its instance which has furthest to go; ``none`` without any."""
    return next((state for state in WORST_FIRST if state in states), next(iter(states), "none"))


def upstream_state(rule: str, states: Collection[str]) -> str:
    """``go``, ``wait``, or the state that the upstream tasks force on a task with this trigger rule."""
    if any(state not in FINISHED for state in states):
        return "wait"
    if rule == "all_done":
        return "go"
    if {"failed", "upstream_failed"} & set(states):
        return "upstream_failed"
    if rule == "all_success":
        return "skipped" if "skipped" in states else "go"
    if rule == "none_failed":
        return "go"
    if rule == "none_failed_min_one_success":
        return "go" if "success" in states else "skipped"
    raise NotImplementedError(f"The harness does not know the trigger rule {rule}.")
