"""Pictures for the report: what the model drew beside what the person made of it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from secondlook.layout import own_name, split_s3_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.demo.report import Records

PER_NIGHT = 3
LONGEST_SIDE_PX = 360
JPEG_QUALITY = 82


@dataclass(frozen=True)
class SampleBox:
    """A labelled box in pixels of the stored image."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Sample:
    """One reviewed picture; `data_uri` is the picture itself, made small."""

    file: str
    why: str
    width_px: int
    height_px: int
    data_uri: str
    model_boxes: tuple[SampleBox, ...]
    person_boxes: tuple[SampleBox, ...]


def night_samples(records: Records, night: str) -> list[Sample]:
    """Up to three reviewed pictures of a night: the most doubtful, a middling one, and one of the audit."""
    answers = {line["source-ref"]: line for line in records.lines(records.layout.reviewed_manifest(night))}
    reviewed = [line for line in records.lines(records.layout.ledger(night)) if line["image"] in answers]
    return [_sample(records, line, answers[line["image"]]) for line in _chosen(reviewed)]


def _chosen(ledger: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    by_policy = sorted((line for line in ledger if line["reason"] == "policy"), key=lambda line: line["rank"])
    audit = sorted((line for line in ledger if line["reason"] == "audit"), key=lambda line: line["rank"])
    chosen = [*by_policy[:1], *by_policy[len(by_policy) // 2 :][:1], *audit[:1]]
    unique = {line["image"]: line for line in chosen}
    return list(unique.values())[:PER_NIGHT]


def _sample(records: Records, ledger: dict[str, Any], answer: dict[str, Any]) -> Sample:
    attribute = next(name for name in answer if f"{name}-metadata" in answer)
    class_map = answer[f"{attribute}-metadata"]["class-map"]
    chance = "chosen at random" if ledger["reason"] == "audit" else f"number {ledger['rank']} by doubt"
    return Sample(
        file=own_name(ledger["image"]),
        why=chance,
        width_px=ledger["width"],
        height_px=ledger["height"],
        data_uri=_data_uri(records.read(split_s3_uri(ledger["image"])[1]) or b""),
        model_boxes=tuple(SampleBox(**box) for box in ledger["predrawn"]),
        person_boxes=tuple(
            SampleBox(class_map[str(box["class_id"])], box["left"], box["top"], box["width"], box["height"])
            for box in answer[attribute]["annotations"]
        ),
    )


def _data_uri(data: bytes) -> str:
    """The picture as stored (no EXIF rotation), as a small JPEG."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
