"""Reads the training channels into memory, in each of the three forms the built-in algorithm knows.

- augmented manifest, Pipe mode: the pipe carries image record, annotation record, image record, ... without
  IRHeader
- RecordIO: ``.rec`` files in File mode, or the same stream in Pipe mode, each record with an IRHeader
- image + JSON, File mode: ``train`` holds images, ``train_annotation`` a ``.json`` of the same relative name
  for each

One epoch is read; all further epochs are trained from memory, so only the first pipe of a channel is ever
opened. An image without objects is legal here and teaches what is background (the built-in algorithm leaves
this open). What becomes of a faulty box is the rule of :mod:`include.formats.boxes`, whatever the form; an
image none of whose boxes can be used is left out with them, since it does not show background.
"""

from __future__ import annotations

import codecs
import json
import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from include.formats.boxes import BoxSet, GivenBox
from include.formats.detection_record import LABEL_OBJECT_WIDTH, unpack_detection_record
from include.formats.images import TAKEN_KINDS, image_kind
from include.formats.recordio import RecordIOError, read_records

from .errors import ConfigurationError, TrainingDataError
from .image_files import image_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from include.formats.boxes import Row, Verdict

    from .contract import Channel

KNOWN_CHANNELS = ("train", "validation", "train_annotation", "validation_annotation", "model")


@dataclass(frozen=True)
class Sample:
    """One image file with its objects as (class id, xmin, ymin, xmax, ymax), coordinates as ratios."""

    source: str
    image: bytes
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class _Labelled:
    """One image file with its boxes as the label gives them."""

    source: str
    image: bytes
    boxes: tuple[GivenBox, ...]


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
    channels: Mapping[str, Channel],
    name: str,
    *,
    num_classes: int,
    label_width: int,
    warn: Callable[[str], None] = lambda _: None,
) -> list[Sample]:
    """Read one epoch of a channel.

    Parameters
    ----------
    num_classes
        Class ids run from 0 to this, excluded.
    label_width
        Numbers a label may have: 2 for its header and 5 for each object.
    warn
        Called with one sentence each about what was left out or clamped, how much, and why.

    Raises
    ------
    TrainingDataError
        The channel is empty, a record does not fit, or too many boxes are faulty.
    """
    channel = channels[name]
    if channel.pipe:
        labelled = list(_read_pipe(channel))
    elif f"{name}_annotation" in channels:
        labelled = list(_read_image_files(channel, channels[f"{name}_annotation"], warn))
    else:
        labelled = list(_read_record_files(channel))
    if not labelled:
        raise TrainingDataError(f"Channel {name} holds no images.")
    _check_widths(labelled, label_width)
    judged = BoxSet.of([box for one in labelled for box in one.boxes], num_classes)
    refusal = judged.refusal(f"channel {name}")
    if refusal:
        raise TrainingDataError(refusal)
    samples = _samples(labelled, judged.verdicts)
    for note in _notes(judged, name, len(labelled) - len(samples)):
        warn(note)
    return samples


def _samples(labelled: Sequence[_Labelled], verdicts: Sequence[Verdict]) -> list[Sample]:
    """Give each image its usable rows; leave out images that have boxes but no usable one."""
    samples = []
    following = iter(verdicts)
    for one in labelled:
        rows = tuple(row for _ in one.boxes if (row := next(following).row) is not None)
        if rows or not one.boxes:
            samples.append(Sample(one.source, one.image, rows))
    return samples


def _notes(judged: BoxSet, name: str, images: int) -> Iterator[str]:
    yield from judged.notes(f"channel {name}")
    if images:
        yield f"Images of channel {name} that are left out, as none of their boxes can be used: {images}."


def _read_pipe(channel: Channel) -> Iterator[_Labelled]:
    with channel.first_pipe.open("rb") as stream:
        records = read_records(stream, f"channel {channel.name}")
        opening = [record for record in (next(records, None), next(records, None)) if record is not None]
        if _begins_a_manifest(opening):
            yield from _read_pairs(channel.name, chain(opening, records))
            return
        for index, payload in enumerate(chain(opening, records)):
            yield _record_sample(f"record {index} of channel {channel.name}", payload)


def _begins_a_manifest(opening: Sequence[bytes]) -> bool:
    """Tell the forms apart by the first record, since the length of a label can look like JSON's brace."""
    if not opening:
        return False
    try:
        unpack_detection_record(opening[0])
    except RecordIOError:
        label = opening[-1].removeprefix(codecs.BOM_UTF8).lstrip()
        return image_kind(opening[0]) in TAKEN_KINDS or (len(opening) > 1 and label.startswith(b"{"))
    return False


def _read_pairs(channel: str, records: Iterator[bytes]) -> Iterator[_Labelled]:
    for index, image in enumerate(records):
        annotation = next(records, None)
        if annotation is None:
            raise TrainingDataError(
                f"Channel {channel} ends after image {index + 1}, without its annotation; "
                "check AttributeNames."
            )
        yield _manifest_sample(channel, index, image, annotation)


def _manifest_sample(channel: str, index: int, image: bytes, annotation: bytes) -> _Labelled:
    # SageMaker may have shuffled the lines: their number in the manifest is not known here.
    source = f"image {index + 1} in the pipe of channel {channel}"
    return _Labelled(source, image, annotation_boxes(annotation, source))


def _record_sample(source: str, payload: bytes) -> _Labelled:
    record = unpack_detection_record(payload, source)
    boxes = tuple(GivenBox(source, row[0], row[1:]) for row in record.rows)
    return _Labelled(source, record.image, boxes)


def _read_record_files(channel: Channel) -> Iterator[_Labelled]:
    files = sorted(path for path in channel.directory.rglob("*.rec") if path.is_file())
    if not files:
        raise TrainingDataError(
            f"Channel {channel.name} holds no .rec file and there is no channel {channel.name}_annotation."
        )
    for path in files:
        with path.open("rb") as stream:
            for index, payload in enumerate(read_records(stream, path.name)):
                yield _record_sample(f"record {index} of {path.name}", payload)


def _read_image_files(
    images: Channel, annotations: Channel, warn: Callable[[str], None]
) -> Iterator[_Labelled]:
    if images.pipe or annotations.pipe:
        raise ConfigurationError(f"Channels {images.name} and {annotations.name} must be in File mode.")
    for path, name in image_files(images, annotations, warn):
        try:
            annotation = (annotations.directory / name).read_bytes()
        except OSError:
            raise TrainingDataError(
                f"Channel {annotations.name} holds no {name} for image {path.name}."
            ) from None
        yield _Labelled(path.name, path.read_bytes(), annotation_boxes(annotation, str(name)))


def annotation_boxes(text: bytes, source: str) -> tuple[GivenBox, ...]:
    """Read a label in pixels: ``annotations`` and ``image_size``.

    Raises
    ------
    TrainingDataError
        The JSON is not of this form.
    """
    try:
        label = json.loads(text)
        size = label["image_size"][0]
        sides = (_positive(size["width"]), _positive(size["height"]))
        return tuple(_box(entry, sides, source) for entry in label["annotations"])
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise TrainingDataError(
            f"The annotation of {source} is not one of object detection ({type(error).__name__}: {error}); "
            "expected image_size and annotations, as in an augmented manifest."
        ) from error


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"image side {value!r}")
    return number


def _box(entry: dict[str, Any], size: tuple[float, float], source: str) -> GivenBox:
    left, top, width, height = (float(entry[name]) for name in ("left", "top", "width", "height"))
    return GivenBox(source, float(entry["class_id"]), (left, top, width, height), size)


def _check_widths(labelled: Sequence[_Labelled], label_width: int) -> None:
    most = max(labelled, key=lambda one: len(one.boxes))
    needed = 2 + LABEL_OBJECT_WIDTH * len(most.boxes)
    if needed > label_width:
        raise TrainingDataError(
            f"{most.source} has {len(most.boxes)} objects and needs label_width {needed}, "
            f"which is {label_width}."
        )
