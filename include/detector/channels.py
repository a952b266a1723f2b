"""Reads the training channels into memory, in each of the three forms the built-in algorithm knows.

- augmented manifest, Pipe mode: the pipe carries image record, annotation record, image record, ... without
  IRHeader
- RecordIO: ``.rec`` files in File mode, or the same stream in Pipe mode, each record with an IRHeader
- image + JSON, File mode: ``train`` holds images, ``train_annotation`` a ``.json`` of the same relative name
  for each

One epoch is read; all further epochs are trained from memory, so only the first pipe of a channel is ever
opened. An image without objects is legal here and teaches what is background (the built-in algorithm leaves
this open).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError, TrainingDataError
from .recordio import LABEL_OBJECT_WIDTH, Row, read_records, unpack_detection_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .contract import Channel

KNOWN_CHANNELS = ("train", "validation", "train_annotation", "validation_annotation", "model")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Sample:
    """One image file with its objects as (class id, xmin, ymin, xmax, ymax), coordinates as ratios."""

    source: str
    image: bytes
    rows: tuple[Row, ...]


def check_channels(channels: Mapping[str, Channel]) -> None:
    """Refuse unknown channels, and a job without ``train`` or ``validation``."""
    for name in channels:
        if name not in KNOWN_CHANNELS:
            raise ConfigurationError(f"Unknown channel {name!r}; known are {', '.join(KNOWN_CHANNELS)}.")
    for name in ("train", "validation"):
        if name not in channels:
            raise ConfigurationError(f"Channel {name} is required.")
    if "model" in channels and channels["model"].pipe:
        raise ConfigurationError("Channel model must be in File mode.")


def read_channel(
    channels: Mapping[str, Channel], name: str, *, num_classes: int, label_width: int
) -> list[Sample]:
    """Read one epoch of a channel.

    :param num_classes: class ids run from 0 to this, excluded
    :param label_width: numbers a label may have: 2 for its header and 5 for each object
    :raises TrainingDataError: when the channel is empty or a record does not fit
    """
    channel = channels[name]
    if channel.pipe:
        samples = list(_read_pipe(channel))
    elif f"{name}_annotation" in channels:
        samples = list(_read_image_files(channel, channels[f"{name}_annotation"]))
    else:
        samples = list(_read_record_files(channel))
    if not samples:
        raise TrainingDataError(f"Channel {name} holds no images.")
    return [_checked(sample, num_classes, label_width) for sample in samples]


def _read_pipe(channel: Channel) -> Iterator[Sample]:
    with channel.first_pipe.open("rb") as stream:
        records = read_records(stream, f"channel {channel.name}")
        first, second = next(records, None), next(records, None)
        if first is None:
            return
        if second is not None and second[:1] == b"{":
            yield _manifest_sample(channel.name, 0, first, second)
            yield from _read_pairs(channel.name, records)
            return
        for index, payload in enumerate([first, *([] if second is None else [second])]):
            yield _record_sample(f"record {index} of channel {channel.name}", payload)
        for index, payload in enumerate(records, start=2):
            yield _record_sample(f"record {index} of channel {channel.name}", payload)


def _read_pairs(channel: str, records: Iterator[bytes]) -> Iterator[Sample]:
    index = 1
    for image in records:
        annotation = next(records, None)
        if annotation is None:
            raise TrainingDataError(
                f"Channel {channel} ends after image {index}, without its annotation; check AttributeNames."
            )
        yield _manifest_sample(channel, index, image, annotation)
        index += 1


def _manifest_sample(channel: str, index: int, image: bytes, annotation: bytes) -> Sample:
    source = f"line {index + 1} of channel {channel}"
    return Sample(source, image, annotation_rows(annotation, source))


def _record_sample(source: str, payload: bytes) -> Sample:
    record = unpack_detection_record(payload, source)
    return Sample(source, record.image, record.rows)


def _read_record_files(channel: Channel) -> Iterator[Sample]:
    files = sorted(path for path in channel.directory.rglob("*.rec") if path.is_file())
    if not files:
        raise TrainingDataError(
            f"Channel {channel.name} holds no .rec file and there is no channel {channel.name}_annotation."
        )
    for path in files:
        with path.open("rb") as stream:
            for index, payload in enumerate(read_records(stream, path.name)):
                yield _record_sample(f"record {index} of {path.name}", payload)


def _read_image_files(images: Channel, annotations: Channel) -> Iterator[Sample]:
    if images.pipe or annotations.pipe:
        raise ConfigurationError(f"Channels {images.name} and {annotations.name} must be in File mode.")
    for path in sorted(
        path for path in images.directory.rglob("*") if path.suffix.lower() in _IMAGE_SUFFIXES
    ):
        name = path.relative_to(images.directory).with_suffix(".json")
        try:
            annotation = (annotations.directory / name).read_bytes()
        except OSError:
            raise TrainingDataError(
                f"Channel {annotations.name} holds no {name} for image {path.name}."
            ) from None
        yield Sample(path.name, path.read_bytes(), annotation_rows(annotation, str(name)))


def annotation_rows(text: bytes, source: str) -> tuple[Row, ...]:
    """Turn a label in pixels (``annotations`` and ``image_size``) into rows of ratios.

    Boxes are clamped to the image; one without area inside it is left out.

    :raises TrainingDataError: when the JSON is not of this form
    """
    try:
        label = json.loads(text)
        size = label["image_size"][0]
        width, height = _positive(size["width"]), _positive(size["height"])
        rows = [_pixel_row(entry, width, height) for entry in label["annotations"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise TrainingDataError(
            f"The annotation of {source} is not one of object detection ({type(error).__name__}: {error}); "
            "expected image_size and annotations, as in an augmented manifest."
        ) from error
    return tuple(row for row in rows if row[3] > row[1] and row[4] > row[2])


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"image side {value!r}")
    return number


def _pixel_row(entry: dict[str, Any], width: float, height: float) -> Row:
    left, top = float(entry["left"]), float(entry["top"])
    right, bottom = left + float(entry["width"]), top + float(entry["height"])
    return (
        float(int(entry["class_id"])),
        *_clamped(left / width, top / height, right / width, bottom / height),
    )


def _clamped(xmin: float, ymin: float, xmax: float, ymax: float) -> tuple[float, float, float, float]:
    if not all(math.isfinite(value) for value in (xmin, ymin, xmax, ymax)):
        raise ValueError("a coordinate is not finite")
    return max(0.0, xmin), max(0.0, ymin), min(1.0, xmax), min(1.0, ymax)


def _checked(sample: Sample, num_classes: int, label_width: int) -> Sample:
    for row in sample.rows:
        if not 0 <= row[0] < num_classes:
            raise TrainingDataError(
                f"{sample.source} has class id {row[0]:g}, but num_classes "
                f"is {num_classes}: ids run from 0 to {num_classes - 1}."
            )
    needed = 2 + LABEL_OBJECT_WIDTH * len(sample.rows)
    if needed > label_width:
        raise TrainingDataError(
            f"{sample.source} has {len(sample.rows)} objects and needs label_width {needed}, "
            f"which is {label_width}."
        )
    return sample
