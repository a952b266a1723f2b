"""What a night's reviews were selected by: kept with the ledger, so that other settings are noticed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

# S3 keeps 2 KB of metadata for an object, and there is more than this.
MOST_CHARACTERS = 1200


class SelectionSettings(BaseModel):
    """The settings by which a run selects a night's reviews: equal ones select the same.

    Attributes
    ----------
    review_policy, policy_params
        The policy and its keyword arguments, as JSON has them; arguments that are too long become their hash.
    review_limit
        Most images of the night.
    audit_share
        Share of the limit drawn at random, 0 to 1.
    model
        The model whose predictions were read.
    images
        How many images it had scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_policy: str
    review_limit: int
    audit_share: float
    model: str
    images: int
    policy_params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        text = _text(values.get("policy_params", {}))
        if len(_text(values)) > MOST_CHARACTERS:
            return {**values, "policy_params": {"sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}}
        return {**values, "policy_params": json.loads(text)}

    def to_text(self) -> str:
        """Return it as a text for an object's metadata: ASCII, one line, and short."""
        return _text(self.model_dump())

    @classmethod
    def from_text(cls, text: str) -> SelectionSettings | None:
        """Read what ``to_text`` wrote; None for anything else."""
        try:
            return cls.model_validate(json.loads(text))
        except ValueError:
            return None

    def differences(self, before: SelectionSettings) -> list[str]:
        """Say what an earlier selection was made with and this one is not, each with both values.

        The model is not among them: the champion changes by itself, and so do the images that it has scored.
        """
        told = []
        for name in ("review_policy", "policy_params", "review_limit", "audit_share"):
            mine, theirs = getattr(self, name), getattr(before, name)
            if mine != theirs:
                told.append(f"{name} {_shown(theirs)}, not {_shown(mine)}")
        if self.images != before.images and self.model == before.model:
            told.append(f"{before.images} scored images, not {self.images}")
        return told


def _text(values: Any) -> str:
    # Headers are not to be trusted with several spaces in a row.
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str).replace(" ", "\\u0020")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
