"""The model card (where a model comes from) and the champion pointer (which model is in service)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from secondlook import jsonl
from secondlook.failures.exceptions import ModelCardError

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

    def to_record(self) -> dict[str, Any]:
        """Return the entry of a card."""
        return {"uri": self.uri, "etag": self.etag, "sha256": self.sha256, "lines": self.lines}


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

    def to_record(self) -> dict[str, Any]:
        """Return the member ``data`` of a card."""
        return {
            "train_images": self.train_images,
            "new_images": self.new_images,
            "replayed_images": self.replayed_images,
            "manifests": [manifest.to_record() for manifest in self.manifests],
            "learned_manifests": list(self.learned_manifests),
            "train_manifest": self.train_manifest,
            "validation_manifest": self.validation_manifest,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TrainingData:
        """Read the member ``data`` of a card."""
        return cls(
            train_images=int(record["train_images"]),
            new_images=int(record["new_images"]),
            replayed_images=int(record["replayed_images"]),
            manifests=tuple(
                LearnedManifest(str(m["uri"]), str(m["etag"]), str(m["sha256"]), int(m["lines"]))
                for m in record["manifests"]
            ),
            learned_manifests=tuple(map(str, record["learned_manifests"])),
            train_manifest=record.get("train_manifest"),
            validation_manifest=record.get("validation_manifest"),
        )


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything a model owner asks of a model: parent, data, hyperparameters, metrics, verdict.

    ``artifact`` and ``image`` are the addresses of the model archive and of the training image; ``verdict``
    is the short form of the comparison that decided about the model, None before.
    """

    model: str
    artifact: str
    image: str
    parent: str | None
    created_by: CreatedBy
    hyperparameters: Mapping[str, str]
    data: TrainingData
    labels: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: Mapping[str, Any] | None = None

    def with_verdict(self, verdict: Mapping[str, Any]) -> ModelCard:
        """Return the card with the outcome of a comparison."""
        return replace(self, verdict=dict(verdict))

    def to_record(self) -> dict[str, Any]:
        """Return the card as a JSON object."""
        return {
            "model": self.model,
            "artifact": self.artifact,
            "image": self.image,
            "parent": self.parent,
            "created_by": self.created_by,
            "hyperparameters": dict(self.hyperparameters),
            "data": self.data.to_record(),
            "metrics": dict(self.metrics),
            "labels": list(self.labels),
            "verdict": None if self.verdict is None else dict(self.verdict),
        }

    def to_json(self) -> bytes:
        """Return the bytes of ``card.json``."""
        return _document(self.to_record())

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ModelCard:
        """Read a card.

        Raises
        ------
        ModelCardError
            Naming the model and the member that is missing or malformed.
        """
        try:
            return cls(
                model=str(record["model"]),
                artifact=str(record["artifact"]),
                image=str(record["image"]),
                parent=record["parent"],
                created_by=record["created_by"],
                hyperparameters={str(k): str(v) for k, v in record["hyperparameters"].items()},
                data=TrainingData.from_record(record["data"]),
                labels=tuple(map(str, record["labels"])),
                metrics={str(k): float(v) for k, v in record.get("metrics", {}).items()},
                verdict=record.get("verdict"),
            )
        except _MALFORMED as error:
            name = record.get("model", "an unnamed model")
            raise ModelCardError(
                f"The card of {name} cannot be read ({_fault(error)}); restore it."
            ) from error

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> ModelCard:
        """Read ``card.json``; ``source`` names it in errors."""
        return cls.from_record(jsonl.decode_object(data, source=source))


@dataclass(frozen=True, slots=True)
class Champion:
    """The content of ``champion.json``: the model in service, and the how-manieth it is (from 1).

    The pointer is only ever written by compare-and-swap: ``If-None-Match: *`` for version 1, ``If-Match``
    with the ETag that was read for each later one.
    """

    model: str
    artifact: str
    card: str
    image: str
    parent: str | None
    version: int

    @classmethod
    def first(cls, card: ModelCard, card_uri: str) -> Champion:
        """Return the pointer to the first champion."""
        return cls(card.model, card.artifact, card_uri, card.image, card.parent, 1)

    def succeeded_by(self, card: ModelCard, card_uri: str) -> Champion:
        """Return the pointer to the next champion; ``parent`` is what that model was trained from."""
        return Champion(card.model, card.artifact, card_uri, card.image, card.parent, self.version + 1)

    def to_record(self) -> dict[str, Any]:
        """Return the pointer as a JSON object."""
        return {
            "model": self.model,
            "artifact": self.artifact,
            "card": self.card,
            "image": self.image,
            "parent": self.parent,
            "version": self.version,
        }

    def to_json(self) -> bytes:
        """Return the bytes of ``champion.json``."""
        return _document(self.to_record())

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Champion:
        """Read the pointer.

        Raises
        ------
        ModelCardError
            Naming the member that is missing or malformed.
        """
        try:
            names = {key: str(record[key]) for key in ("model", "artifact", "card", "image")}
            return cls(**names, parent=record["parent"], version=int(record["version"]))
        except _MALFORMED as error:
            raise ModelCardError(
                f"The champion pointer cannot be read ({_fault(error)});"
                " restore its last version in the bucket."
            ) from error

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> Champion:
        """Read ``champion.json``; ``source`` names it in errors."""
        return cls.from_record(jsonl.decode_object(data, source=source))


_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


def _document(record: Mapping[str, Any]) -> bytes:
    return (jsonl.canonical(record) + "\n").encode("utf-8")


def _fault(error: Exception) -> str:
    return f"no member {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
