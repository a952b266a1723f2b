"""Augmented manifests: the JSON Lines that SageMaker streams to the object detection algorithm.

The form is that of the SageMaker Developer Guide, "Object Detection Algorithm" and "Bounding Box Job
Output". Nothing in a line depends on when, where or by whom it was made: the same answers give the same
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.detection import Box, TruthBox
from secondlook.failures.exceptions import ManifestError
from secondlook.layout import check_night

if TYPE_CHECKING:
    from collections.abc import Iterable

LABEL_ATTRIBUTE = "bounding-box"
SOURCE_ATTRIBUTE = "source-ref"
# Order matters to the algorithm: the image first, then its annotation.
ATTRIBUTE_NAMES = (SOURCE_ATTRIBUTE, LABEL_ATTRIBUTE)
JOB_TYPE = "groundtruth/object-detection"


@dataclass(frozen=True, slots=True, order=True)
class Annotation:
    """One box of a line in whole pixels; ``confidence`` is the share of reviewers who support it."""

    left: int
    top: int
    width: int
    height: int
    class_id: int
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One labelled image.

    Attributes
    ----------
    image
        Address of the image (``source-ref``).
    width, height, depth
        Pixels and channels of the file as stored.
    annotations
        At least one box; they are kept sorted.
    labels
        All labels of the detector, index = class id.
    night
        The night the image arrived (``creation-date``, at midnight), never the time of writing; None when a
        foreign line does not tell.
    job_name
        Where the label comes from, for example ``a2i/<human loop>``.
    etag
        Version of the image's key, None in lines from elsewhere. It does not tell what the content is.
    slice
        Part of the holdout that the image belongs to (``clean``, ``drifted``), None in training data.
    sha256
        SHA-256 of the image's bytes, lower-case hexadecimal: by it a copy is known whatever its name, None in
        lines from elsewhere.
    """

    image: str
    width: int
    height: int
    depth: int
    annotations: tuple[Annotation, ...]
    labels: tuple[str, ...]
    night: str | None
    job_name: str
    etag: str | None = None
    slice: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "annotations", tuple(sorted(self.annotations)))
        object.__setattr__(self, "labels", tuple(self.labels))
        fault = _line_fault(self)
        if fault:
            raise ManifestError(f"The manifest line of {self.image or 'an unnamed image'} {fault}.")

    def truth(self) -> tuple[TruthBox, ...]:
        """Return the boxes as truth to match predictions with."""
        return tuple(
            TruthBox(a.class_id, Box.from_size(a.left, a.top, a.width, a.height)) for a in self.annotations
        )

    def to_record(self) -> dict[str, Any]:
        """Return the line as a JSON object."""
        boxes = [
            {"class_id": a.class_id, "height": a.height, "left": a.left, "top": a.top, "width": a.width}
            for a in self.annotations
        ]
        record: dict[str, Any] = {
            SOURCE_ATTRIBUTE: self.image,
            LABEL_ATTRIBUTE: {
                "annotations": boxes,
                "image_size": [{"depth": self.depth, "height": self.height, "width": self.width}],
            },
            f"{LABEL_ATTRIBUTE}-metadata": {
                "class-map": {str(class_id): label for class_id, label in enumerate(self.labels)},
                "human-annotated": "yes",
                "job-name": self.job_name,
                "objects": [{"confidence": a.confidence} for a in self.annotations],
                "type": JOB_TYPE,
            },
        }
        if self.night is not None:
            record[f"{LABEL_ATTRIBUTE}-metadata"]["creation-date"] = f"{self.night}T00:00:00"
        if self.etag is not None:
            record["etag"] = self.etag
        if self.slice is not None:
            record["slice"] = self.slice
        if self.sha256 is not None:
            record["sha256"] = self.sha256
        return record


def write_manifest(lines: Iterable[ManifestLine]) -> bytes:
    """Return the bytes of a manifest, lines in the given order."""
    return jsonl.encode(line.to_record() for line in lines)


def what_is_learned(lines: Iterable[ManifestLine]) -> bytes:
    """Return what a training learns from lines, by which its job is named: all but the images' versions.

    The same bytes uploaded again are another version and nothing new to learn.
    """
    return write_manifest(replace(line, etag=None) for line in lines)


def _line_fault(line: ManifestLine) -> str | None:
    if not line.image.startswith("s3://"):
        return f"names the image {line.image!r}, but {SOURCE_ATTRIBUTE} must be an s3:// address; correct it"
    if min(line.width, line.height, line.depth) < 1:
        return f"gives an image size of {line.width} x {line.height} x {line.depth}; measure the file again"
    if not line.annotations:
        return "has no box, which stops the built-in algorithm; leave the image out of the manifest"
    if line.night is not None:
        check_night(line.night)
    return next((fault for a in line.annotations if (fault := _annotation_fault(a, line))), None)


def _annotation_fault(box: Annotation, line: ManifestLine) -> str | None:
    place = f"({box.left}, {box.top}, {box.width} x {box.height})"
    if not 0 <= box.class_id < len(line.labels):
        return f"has a box of class {box.class_id}, but there are {len(line.labels)} labels; correct it"
    if box.width < 1 or box.height < 1:
        return f"has the box {place} without area; remove it"
    # A box may reach the border: left + width == image width.
    if box.left < 0 or box.top < 0 or box.left + box.width > line.width or box.top + box.height > line.height:
        return f"has the box {place} outside its {line.width} x {line.height} image; clamp or remove it"
    if not 0 <= box.confidence <= 1:
        return f"has a confidence of {box.confidence}, which must lie between 0 and 1; correct it"
    return None
