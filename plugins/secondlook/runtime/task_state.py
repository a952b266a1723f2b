"""A task's state between two waits and between two tries: frozen dataclasses as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondlook.triggers.polling import PollingTrigger

S = TypeVar("S")
_KEY = "state"


class Waits(Protocol):
    """How long and how often to look: a section of the settings."""

    @property
    def poll_interval_seconds(self) -> float:
        """Time between two looks."""

    @property
    def timeout_seconds(self) -> float:
        """Longest wait."""


@dataclass(frozen=True)
class Wait(Generic[S]):
    """What an operator returns when there is nothing to do but wait.

    ``trigger`` says what is waited for and how to look, ``state`` is what the operator goes on with.
    """

    trigger: PollingTrigger
    state: S


def to_plain(state: Any) -> dict[str, Any]:
    """Return a dataclass as JSON values."""
    plain: dict[str, Any] = TypeAdapter(type(state)).dump_python(state, mode="json")
    return plain


def from_plain(kind: type[S], plain: Any) -> S:
    """Return the dataclass that :func:`to_plain` was given."""
    return TypeAdapter(kind).validate_python(plain)


def keep_state(context: Mapping[str, Any], state: Any) -> None:
    """Keep a state for the next try of the task; it survives a clear, too."""
    store: Any = context.get("task_state_store")
    if store is not None:
        store.set(_KEY, to_plain(state))


def kept_state(context: Mapping[str, Any], kind: type[S]) -> S | None:
    """Return the state that an earlier try of the task has kept, unless it has another form by now."""
    store: Any = context.get("task_state_store")
    plain = store.get(_KEY) if store is not None else None
    try:
        return None if plain is None else from_plain(kind, plain)
    except ValidationError:
        return None
