"""Reading augmented manifests of any origin, with a sentence for each line that cannot be used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import ManifestError, NightError
from secondlook.training.manifest import LABEL_ATTRIBUTE, SOURCE_ATTRIBUTE, Annotation, ManifestLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.formats.boxes import GivenBox

# The share of a manifest's lines that may be unusable, and a number of lines that always may.
MOST_UNUSABLE = 0.1
_FEW_LINES = 2
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestRead:
    """The usable lines of a manifest, and a sentence for each line that is not."""

    lines: tuple[ManifestLine, ...]
    faults: tuple[str, ...]


def read_manifest(
    data: bytes, *, source: str, labels: Sequence[str], attribute: str = LABEL_ATTRIBUTE
) -> ManifestRead:
    """Read a manifest of any origin; a bad line or a repeated image becomes a fault and stops nothing.

    When no line is usable, or three and more than a tenth of them are not, it is no matter of single lines.
    An image without boxes and a repeated image do not count: leaving them out is what is meant.

    Raises
    ------
    RecordError
        When a line is no JSON at all: the file is damaged, and what it lost is unknown.
    ManifestError
        Too many lines cannot be used; the sentence names the likely cause if their boxes share one.
    """
    lines: list[ManifestLine] = []
    faults: list[str] = []
    unusable: list[_Unusable] = []
    first_seen: dict[str, int] = {}
    for number, record in jsonl.decode_numbered(data, source=source):
        where = f"line {number} of {source}"
        try:
            line = read_line(record, labels=labels, attribute=attribute, where=where)
        except ManifestError as error:
            faults.append(str(error))
            if not _has_no_box(record, attribute):
                unusable.append(_Unusable(number, record, str(error)))
            continue
        if line.image in first_seen:
            faults.append(
                f"line {number} of {source} repeats {line.image} of line {first_seen[line.image]};"
                " the first one counts, remove the other."
            )
            continue
        first_seen[line.image] = number
        lines.append(line)
    total = len(lines) + len(unusable)
    if too_many(len(unusable), total):
        raise ManifestError(_refusal(unusable, total, source, labels, attribute))
    return ManifestRead(tuple(lines), tuple(faults))


def read_line(
    record: Mapping[str, Any],
    *,
    labels: Sequence[str],
    attribute: str = LABEL_ATTRIBUTE,
    where: str | None = None,
) -> ManifestLine:
    """Read a line, our own or a foreign one (Ground Truth's, a public data set's).

    Parameters
    ----------
    record
        The JSON object.
    labels
        All labels of the detector, index = class id; a line whose class map says otherwise is refused.
    attribute
        Name of the label attribute; Ground Truth calls it after its job.
    where
        What to call the line in errors, for example ``line 3 of s3://...``.

    Raises
    ------
    ManifestError
        One sentence: where, what is wrong, what to do.
    """
    where = where or f"The manifest line of {record.get(SOURCE_ATTRIBUTE, 'an unnamed image')}"
    try:
        return _line(record, tuple(labels), attribute)
    except (ManifestError, NightError) as error:
        raise ManifestError(f"{where}: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        detail = f"misses {error.args[0]!r}" if isinstance(error, KeyError) else f"is malformed ({error})"
        raise ManifestError(
            f"{where} {detail}; give it the form of an augmented manifest line for object detection."
        ) from error


def too_many(unusable: int, total: int) -> bool:
    """Whether so many of a manifest's lines cannot be used that it is no matter of single lines."""
    return unusable > 0 and (unusable == total or unusable > max(_FEW_LINES, MOST_UNUSABLE * total))


@dataclass(frozen=True, slots=True)
class _Unusable:
    number: int
    record: Mapping[str, Any]
    fault: str


def _has_no_box(record: Mapping[str, Any], attribute: str) -> bool:
    answer = record.get(attribute)
    return isinstance(answer, dict) and answer.get("annotations") == []


def _refusal(
    unusable: Sequence[_Unusable], total: int, source: str, labels: Sequence[str], attribute: str
) -> str:
    from include.formats.boxes import BoxSet

    count = len(unusable)
    which = f"All lines of {source} ({total})" if count == total else f"{count} of {total} lines of {source}"
    sentence = f"{which} cannot be used; the first of them: {unusable[0].fault}"
    boxes = [box for item in unusable for box in _given_boxes(item, attribute)]
    cause = BoxSet.of(boxes, len(labels)).refusal("these lines")
    return f"{sentence} {cause}" if cause else sentence


def _given_boxes(item: _Unusable, attribute: str) -> list[GivenBox]:
    """Return the boxes of an unusable line as far as they are numbers, to find out what they share."""
    from include.formats.boxes import GivenBox

    try:
        answer = item.record[attribute]
        size = (float(answer["image_size"][0]["width"]), float(answer["image_size"][0]["height"]))
        names = ("class_id", "left", "top", "width", "height")
        boxes = [[float(box[name]) for name in names] for box in answer["annotations"]]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return []
    if min(size) <= 0:
        return []
    return [GivenBox(f"line {item.number}", box[0], (box[1], box[2], box[3], box[4]), size) for box in boxes]


def _line(record: Mapping[str, Any], labels: tuple[str, ...], attribute: str) -> ManifestLine:
    answer = record[attribute]
    metadata = record.get(f"{attribute}-metadata", {})
    _check_class_map(metadata.get("class-map", {}), labels)
    size = answer["image_size"][0]
    confidences = [float(entry.get("confidence", 1.0)) for entry in metadata.get("objects", [])]
    boxes = answer["annotations"]
    if len(confidences) != len(boxes):
        confidences = [1.0] * len(boxes)
    annotations = [
        Annotation(
            left=_pixels(box, "left"),
            top=_pixels(box, "top"),
            width=_pixels(box, "width"),
            height=_pixels(box, "height"),
            class_id=_pixels(box, "class_id"),
            confidence=confidence,
        )
        for box, confidence in zip(boxes, confidences, strict=True)
    ]
    etag, part, created = record.get("etag"), record.get("slice"), metadata.get("creation-date")
    return ManifestLine(
        image=str(record[SOURCE_ATTRIBUTE]),
        width=_pixels(size, "width"),
        height=_pixels(size, "height"),
        depth=_pixels(size, "depth", default=3),
        annotations=tuple(annotations),
        labels=labels,
        night=None if created is None else str(created)[:10],
        job_name=str(metadata.get("job-name", "unknown")),
        etag=None if etag is None else str(etag),
        slice=None if part is None else str(part),
        sha256=sha256_of(record),
    )


def sha256_of(record: Mapping[str, Any]) -> str | None:
    """Return what a line says about the image's content, None when it does not.

    Raises
    ------
    ManifestError
        It is no SHA-256.
    """
    given = record.get("sha256")
    if given is None:
        return None
    digits = str(given).lower()
    if not _SHA256.fullmatch(digits):
        raise ManifestError(
            f"its sha256 {given!r} is no SHA-256 in hexadecimal digits; correct it, or remove it and the "
            "image is read instead"
        )
    return digits


def _pixels(box: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = box[name] if default is None else box.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise ValueError(f"{name} is {value!r} instead of a whole number")
    return int(value)


def _check_class_map(class_map: Mapping[str, Any], labels: tuple[str, ...]) -> None:
    from include.formats.text import normal

    for class_id, label in class_map.items():
        index = int(class_id)
        expected = labels[index] if 0 <= index < len(labels) else None
        if expected is None or normal(str(label)) != normal(expected):
            meant = f"the labels say {expected!r}" if expected else f"there are {len(labels)} labels"
            raise ManifestError(
                f"its class map calls class {class_id} {label!r}, but {meant}. If the settings had "
                "other labels when people answered, clear `manifest` of that night's run; else map the "
                "classes first."
            )
