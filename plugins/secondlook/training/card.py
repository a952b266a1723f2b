"""The model card (where a model comes from) and the champion pointer (which model is in service)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from secondlook.json_document import JsonDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

CreatedBy = Literal["bootstrap", "nightly", "control"]


class Approval(StrEnum):
    """A person's word on a challenger that has won: the member ``approval`` of a card's verdict."""

    APPROVED = "approved"
    REJECTED = "rejected"


def is_rejected_by_a_person(verdict: Mapping[str, Any] | None) -> bool:
    """Whether the last answer in a card's verdict is no, whatever the comparison says."""
    return (verdict or {}).get("approval") == Approval.REJECTED


@dataclass(frozen=True, slots=True)
class LearnedManifest:
    """A manifest of answers as a training read it: address, version, SHA-256, number of lines."""

    uri: str
    etag: str
    sha256: str
    lines: int


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model was trained on.

    ``manifests`` are the answers learned in this training, ``learned_manifests`` the addresses of all
    answers learned by the model and its ancestors.
    """

    train_images: int
    new_images: int
    replayed_images: int
    manifests: tuple[LearnedManifest, ...] = ()
    learned_manifests: tuple[str, ...] = ()
    train_manifest: str | None = None
    validation_manifest: str | None = None


class ModelCard(JsonDocument):
    """Everything a model owner asks of a model: parent, data, hyperparameters, metrics, verdict.

    ``artifact`` and ``image`` are the addresses of the model archive and of the training image; ``verdict``
    is the short form of the comparison that decided about the model, None before.
    """

    model: str
    artifact: str
    image: str
    parent: str | None
    created_by: CreatedBy
    hyperparameters: dict[str, str]
    data: TrainingData
    labels: tuple[str, ...]
    metrics: dict[str, float] = Field(default_factory=dict)
    verdict: dict[str, Any] | None = None

    def trained(self, artifact: str, metrics: Mapping[str, float]) -> Self:
        """Return the card of the finished training."""
        return self.model_copy(update={"artifact": artifact, "metrics": dict(metrics)})

    def with_verdict(self, verdict: Mapping[str, Any]) -> Self:
        """Return the card with these members laid over its verdict."""
        return self.model_copy(update={"verdict": {**(self.verdict or {}), **verdict}})


class Champion(JsonDocument):
    """The content of ``champion.json``: the model in service, and its version number, from 1.

    The pointer is only ever written by compare-and-swap.
    """

    remedy: ClassVar[str] = "restore the champion pointer's last version in the bucket"

    model: str
    artifact: str
    card: str
    image: str
    parent: str | None
    version: int

    @classmethod
    def of(cls, card: ModelCard, card_uri: str, after: Champion | None = None) -> Self:
        """Return the pointer to the model of a card, the first one or the one that follows ``after``."""
        return cls(
            model=card.model,
            artifact=card.artifact,
            card=card_uri,
            image=card.image,
            parent=card.parent,
            version=after.version + 1 if after else 1,
        )
