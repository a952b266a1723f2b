"""A night's predictions in S3: parts that are complete or absent, whatever model made them.

Nothing here holds a list of the night's images: they are listed page by page and handled part by part.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from secondlook import jsonl
from secondlook.detection import Prediction
from secondlook.failures.exceptions import SecondLookError
from secondlook.hooks.s3 import ObjectMissingError
from secondlook.json_document import JsonDocument
from secondlook.layout import below, check_night
from secondlook.names import digest
from secondlook.scoring.shards import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.layout import Layout
    from secondlook.scoring.outcomes import Quarantined
    from secondlook.scoring.shards import Shard

# Part of the hash of a part's inputs: a change of the record's form makes finished parts stale.
RECORD_FORM = "prediction-2"
_INPUTS = "inputs"


class NoImagesError(SecondLookError):
    """There is nothing to score: most likely the upload of the night is late or went elsewhere."""


class ScoringContradictionError(SecondLookError):
    """The parts do not hold every image of the night exactly once: the sentence names the image.

    It may pass by itself: another run of the same night may be writing its parts.
    """

    passing = True


@dataclass(frozen=True)
class Counts:
    """Images of a part, a shard or a night: all, scored, quarantined."""

    images: int = 0
    scored: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.images + other.images, self.scored + other.scored, self.quarantined + other.quarantined
        )


class ScoringSummary(JsonDocument):
    """The counts of a scored night, and the folder of its predictions."""

    night: str
    model: str
    images: int
    scored: int
    quarantined: int
    predictions: str


class NightImages:
    """The images of one night, listed again each time.

    Raises
    ------
    NightError
        When ``night`` is no date.
    """

    def __init__(self, store: ObjectStore, layout: Layout, night: str) -> None:
        self._store = store
        self.night = check_night(night)
        self.folder = layout.images(night)

    def names(self) -> Iterator[str]:
        """Yield the names of all images below the night's folder, in order."""
        for item in self._store.list_objects(f"{self.folder}/"):
            yield below(self.folder, item.key)

    def of(self, shard: Shard) -> Iterator[StoredObject]:
        """Yield the images of a shard, in order."""
        after = f"{self.folder}/{shard.after}" if shard.after is not None else None
        for item in self._store.list_objects(f"{self.folder}/", after=after):
            if shard.until is not None and below(self.folder, item.key) > shard.until:
                return
            yield item

    def none(self) -> NoImagesError:
        """Return the error of a night without images."""
        return NoImagesError(
            f"There are no images at {self._store.uri(self.folder)}/: upload the night's images, then clear "
            "this task."
        )


class NightPredictions:
    """What one model says about one night.

    :param part_size: images per part.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, images: NightImages, model: str, part_size: int
    ) -> None:
        self._store = store
        self._layout = layout
        self._images = images
        self._part_size = part_size
        self.night = images.night
        self.model = model

    def parts(self, shard: Shard) -> Iterator[tuple[int, list[StoredObject]]]:
        """Yield number and images of each part of a shard, one part at a time."""
        return parts(shard, self._images.of(shard), self._part_size)

    def inputs(self, images: Iterable[StoredObject]) -> str:
        """Hash what a part is made of: model, keys and versions."""
        return digest(RECORD_FORM, self.model, *(f"{item.key} {item.etag}" for item in images), length=32)

    def finished(self, number: int, images: Sequence[StoredObject]) -> Counts | None:
        """Return the counts of a part that is made of exactly these images; None when it is not there."""
        head = self._store.head(self._part(number))
        if head is None or head.metadata.get(_INPUTS) != self.inputs(images):
            return None
        refused, _ = self._store.read_jsonl(self._refused(number))
        return Counts(len(images), len(images) - len(refused), len(refused))

    def write(
        self, number: int, images: Sequence[StoredObject], outcomes: Iterable[Prediction | Quarantined]
    ) -> Counts:
        """Write a part: one line for each image, prediction or quarantine."""
        lines: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for outcome in outcomes:
            (lines if isinstance(outcome, Prediction) else refused).append(outcome.to_record())
        # The part comes last: once it is there, so are its quarantine lines.
        self._store.write(self._refused(number), jsonl.encode(refused))
        self._store.write(
            self._part(number), jsonl.encode_gzip(lines), metadata={_INPUTS: self.inputs(images)}
        )
        return Counts(len(images), len(lines), len(refused))

    def conclude(self, shards: Iterable[Shard]) -> dict[str, Any]:
        """Check that each listed image is exactly once in its part, and write what sums the night up.

        Parts of an earlier, longer list, which would count images twice, are deleted. Returns the night's
        result and writes it to ``summary.json``, all quarantine lines to ``quarantine.jsonl``.

        Raises
        ------
        NoImagesError
            There is not a single image.
        ScoringContradictionError
            Naming the first image that is missing, there twice, in another version, or should not be there.
        """
        counts, numbers = Counts(), set()
        with tempfile.TemporaryFile() as quarantine:
            for shard in shards:
                for number, images in self.parts(shard):
                    counts += self._checked(number, images, quarantine)
                    numbers.add(number)
            if not counts.images:
                raise self._images.none()
            self._delete_stale(numbers)
            quarantine.seek(0)
            self._store.upload(self._layout.quarantine(self.night, self.model), quarantine)
        summary = ScoringSummary(
            night=self.night,
            model=self.model,
            images=counts.images,
            scored=counts.scored,
            quarantined=counts.quarantined,
            predictions=self._layout.uri(self._layout.predictions(self.night, self.model)) + "/",
        )
        self._store.write(self._layout.predictions_summary(self.night, self.model), summary.to_json())
        return summary.model_dump()

    def _checked(self, number: int, images: list[StoredObject], quarantine: BinaryIO) -> Counts:
        try:
            lines, _ = self._store.read_jsonl(self._part(number))
            refused, _ = self._store.read_jsonl(self._refused(number))
        except ObjectMissingError as error:
            raise self._contradiction(images[0].key, "is in no part", number) from error
        found: dict[str, str] = {}
        for record in (*lines, *refused):
            image = str(record["image"])
            if image in found:
                raise self._contradiction(self._layout.key_of(image), "is there twice", number)
            found[image] = str(record["etag"])
        for item in images:
            version = found.pop(self._store.uri(item.key), None)
            if version is None:
                raise self._contradiction(item.key, "is missing", number)
            if version != item.etag:
                raise self._contradiction(item.key, "is there in another version", number)
        for image in found:
            raise self._contradiction(self._layout.key_of(image), "does not belong", number)
        quarantine.write(jsonl.encode(refused))
        return Counts(len(images), len(lines), len(refused))

    def _contradiction(self, key: str, what: str, number: int) -> ScoringContradictionError:
        return ScoringContradictionError(
            f"{self._store.uri(key)} {what} (part {self._store.uri(self._part(number))}): the night has "
            "changed since it was scored; clear the task that scores it, which scores only what is missing, "
            "and what follows."
        )

    def _delete_stale(self, numbers: set[int]) -> None:
        wanted = {self._part(number) for number in numbers} | {self._refused(number) for number in numbers}
        for parts_of in (self._layout.prediction_parts, self._layout.refused_parts):
            for item in self._store.list_objects(parts_of(self.night, self.model)):
                if item.key not in wanted:
                    self._store.delete(item.key)

    def _part(self, number: int) -> str:
        return self._layout.prediction_part(self.night, self.model, number)

    def _refused(self, number: int) -> str:
        return self._layout.refused_part(self.night, self.model, number)
