"""What a ledger was made with, kept beside it, so that a run with other settings can tell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# S3 keeps 2 KB of metadata for an object, and there is more than this.
MOST_CHARACTERS = 1200


@dataclass(frozen=True, slots=True)
class ReviewChoice:
    """The settings by which a run chooses a night's reviews.

    Attributes
    ----------
    review_policy, policy_params
        The policy and its keyword arguments.
    review_limit
        Most images of the night.
    audit_share
        Share of the limit chosen at random, 0 to 1.
    model
        The model whose predictions were read.
    images
        How many images it had scored.
    """

    review_policy: str
    review_limit: int
    audit_share: float
    model: str
    images: int
    policy_params: Mapping[str, Any] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Return it as a JSON object; parameters of a policy that are too long become their hash."""
        record = {name: getattr(self, name) for name in self.__slots__}
        if len(_text(record)) > MOST_CHARACTERS:
            record["policy_params"] = {"sha256": _hash(self.policy_params)}
        return record

    def to_text(self) -> str:
        """Return it as a text for an object's metadata: ASCII, one line, and short."""
        return _text(self.to_record())

    @classmethod
    def from_record(cls, record: object) -> ReviewChoice | None:
        """Read what ``to_record`` returned; None for anything else."""
        try:
            return cls(**record) if isinstance(record, dict) else None
        except TypeError:
            return None

    @classmethod
    def from_text(cls, text: str) -> ReviewChoice | None:
        """Read what ``to_text`` wrote; None for anything else."""
        try:
            return cls.from_record(json.loads(text))
        except ValueError:
            return None

    def same_as(self, other: ReviewChoice | None) -> bool:
        """Whether both choose the same from the same predictions."""
        return other is not None and self.to_text() == other.to_text()

    def differences(self, before: ReviewChoice) -> list[str]:
        """Say what an earlier choice was made with and this one is not, each with both values.

        The model is not told: a champion changes by itself, and the same night again is no other wish.
        """
        told = []
        names = ["review_policy", "policy_params", "review_limit", "audit_share"]
        mine, theirs = (json.loads(choice.to_text()) for choice in (self, before))
        for name in names:
            if mine[name] != theirs[name]:
                told.append(f"{name} {_shown(theirs[name])}, not {_shown(mine[name])}")
        if self.images != before.images and self.model == before.model:
            told.append(f"{before.images} scored images, not {self.images}")
        return told


def _text(record: Mapping[str, Any]) -> str:
    # Headers are not to be trusted with several spaces in a row.
    return json.dumps(record, sort_keys=True, separators=(",", ":"), default=str).replace(" ", "\\u0020")


def _hash(params: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(params).encode("ascii")).hexdigest()


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
