"""A night's batch transform: what goes in, what came out, and what is missing.

Everything lies in a folder whose name is a hash of the night's images and their versions, so an output there
is about exactly the version that is listed. The first round asks about the whole night, each further one
about the images without output. Images are read part by part.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from include.formats.images import SIGNATURE_BYTES, content_type, decodes, header_size
from secondlook import jsonl
from secondlook.detection import Prediction
from secondlook.failures.exceptions import ModelFaultError, PredictionError, SecondLookError
from secondlook.hooks.endpoint import ANSWERED, UnusableAnswerError
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.hooks.scoring import (
    Quarantined,
    Unanswered,
    in_order,
    judge,
    not_an_image,
    refused_by_size,
    settled,
    unanswered,
)
from secondlook.layout import below
from secondlook.names import digest
from secondlook.records.predictions import Counts
from secondlook.records.round_outputs import RoundOutputs
from secondlook.records.transform_rounds import Rounds
from secondlook.scoring import NO_ANSWER, Failure, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.layout import Layout, TransformFolder
    from secondlook.records.predictions import NightImages, NightPredictions
    from secondlook.records.transform_rounds import Round
    from secondlook.scoring import FailureRule
    from secondlook.scoring.shards import Shard

# Part of the hash of a night's inputs: a change of what lies in its folder makes what lies there stale.
ROUND_FORM = "rounds-2"
REMEDY = (
    "correct the model's container (image_uri) or the labels in the settings, then clear this task, which "
    "starts another batch transform; or raise [serving] max_failure_share if such images may be left out"
)


class NightChangedError(SecondLookError):
    """Images came, went or were replaced while the night was transformed; the next try begins anew."""

    passing = True


@dataclass(frozen=True)
class Absent:
    """What it means that images have no output at the end.

    ``sentence`` begins with the image; ``by_itself``: each is to blame by itself, no proof against a model.
    """

    sentence: str
    by_itself: bool = False


@dataclass(frozen=True)
class Collected:
    """What became of the night: counts of the parts that are written, and the images still missing."""

    counts: Counts
    missing: int = 0
    first: str = ""


class NightTransform:
    """One night, one model.

    :param concurrency: objects read at once.
    :param rule: when failures are too many to be the images' fault.
    :param labels: how many labels there are; None: answers are not compared with it.
    """

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        images: NightImages,
        predictions: NightPredictions,
        shards: Sequence[Shard],
        concurrency: int,
        rule: FailureRule,
        labels: int | None = None,
    ) -> None:
        self._store = store
        self._layout = layout
        self._images = images
        self._predictions = predictions
        self._shards = shards
        self._concurrency = concurrency
        self._rule = rule
        self._labels = labels
        # A decoded image may take a hundred times its file: one at a time.
        self._decoding = Lock()

    def inputs(self) -> str:
        """Hash the night's images and versions, by one listing.

        A number follows from the second time on that they are transformed because the model's answers were of
        no use.

        Raises
        ------
        NoImagesError
            There are none.
        """
        hashes = self._part_hashes()
        if not hashes:
            raise self._images.none()
        base = inputs = digest(ROUND_FORM, *hashes, length=16)
        attempt = 1
        while self._store.exists(self._rejected(inputs)):
            attempt += 1
            inputs = f"{base}-{attempt}"
        return inputs

    def output_folder(self, inputs: str, asked: Round, job: str) -> str:
        """Return the key of the output path of a job of a round."""
        return self._folder(inputs).job(asked.number, job)

    def answered(self, inputs: str, asked: Round, job: str) -> bool:
        """Whether the model answered in this job: about the control; about any image if there is none."""
        return self._outputs(inputs).answered(asked.number, job, asked.control)

    def open_round(self, inputs: str) -> Round | None:
        """Return the last round, preparing the first; None when no image is left to transform."""
        if all(self._predictions.finished(number, images) for number, images in self._parts()):
            return None
        return self._rounds(inputs).last() or self._first_round(inputs)

    def collect(
        self,
        inputs: str,
        after: Round | None,
        *,
        job: str = "",
        refusals: int = 0,
        refused: Absent | None = None,
    ) -> Collected:
        """Write every part that is complete, and a further round for the images that have no output.

        ``after`` is the last round, ``refusals`` counts the rounds, up to it, in which the model has refused
        the images that it names. A round that neither brought an output nor was a refusal gets no further
        one, and neither do images that were refused often enough. With ``refused``, images without output go
        to quarantine instead. ``job`` is the last job.

        Raises
        ------
        ModelFaultError
            The model gave no usable answer about too many images of a part. That part is not written, and the
            next try transforms the images of all parts that are missing.
        NightChangedError
            The night is not the one that was transformed.
        """
        expected = self._part_hashes()
        if digest(ROUND_FORM, *expected, length=16) != inputs.partition("-")[0]:
            raise self._changed()
        outputs = self._outputs(inputs)
        hashes, counts, missing, first = iter(expected), Counts(), 0, ""
        with self._rounds(inputs).new(after.number + 1 if after else 1) as further:
            for number, images in self._parts():
                if self._predictions.inputs(images) != next(hashes, None):
                    raise self._changed()
                written = self._predictions.finished(number, images)
                if written is None:
                    outcomes = list(
                        in_order(
                            lambda item: self._outcome(outputs, item, refused), images, self._concurrency
                        )
                    )
                    self._judge(inputs, number, outcomes, job)
                    absent = [item for item, outcome in zip(images, outcomes, strict=True) if not outcome]
                    for item in absent:
                        further.add(self._name(item))
                        first = first or self._store.uri(item.key)
                    missing += len(absent)
                    if absent:
                        continue
                    written = self._predictions.write(number, images, settled(filter(None, outcomes)))
                counts += written
            if after is not None and after.leads_on(missing, refusals):
                further.write(control=outputs.any_name(), refusals=refusals)
        return Collected(counts, missing, first)

    def decodes_nothing(self, inputs: str) -> bool:
        """Whether no image without output can be decoded here either; reads on to the first that can."""
        outputs = self._outputs(inputs)
        for number, images in self._parts():
            if self._predictions.finished(number, images) is None:
                for item in images:
                    if self._outcome(outputs, item, None) is None and self._decodes(item):
                        return False
        return True

    def _decodes(self, item: StoredObject) -> bool:
        try:
            data = self._store.read(item.key).data
        except ObjectMissingError:
            return True  # nothing is known against it
        with self._decoding:
            return decodes(data)

    def _first_round(self, inputs: str) -> Round | None:
        with self._rounds(inputs).new(1) as first:
            for number, images in self._parts():
                if self._predictions.finished(number, images) is None:
                    for item, wanted in zip(
                        images, in_order(self._transformable, images, self._concurrency), strict=True
                    ):
                        if wanted:
                            first.add(self._name(item))
            return first.write() if first.images else None

    def _transformable(self, item: StoredObject) -> bool:
        if refused_by_size(self._store.uri(item.key), item) is not None:
            return False
        try:
            return content_type(self._store.read_start(item.key, SIGNATURE_BYTES)) is not None
        except ObjectMissingError:
            return False

    def _judge(
        self,
        inputs: str,
        number: int,
        outcomes: Sequence[Prediction | Quarantined | Unanswered | None],
        job: str,
    ) -> None:
        """Raise if the model is to blame for what failed in a part; note that its answers are of no use."""
        blame = judge(outcomes, self._rule, lambda: self._works(inputs))
        if blame is None:
            return
        sentence = blame.sentence(
            part=f"part {number} of the night {self._images.night}",
            model=f"The model {self._predictions.model} in the batch transform {job}",
            remedy=REMEDY,
        )
        note = (jsonl.canonical({"job": job, "reason": sentence}) + "\n").encode()
        with suppress(ObjectChangedError):  # another run of the night came to the same
            self._store.write_if_absent(self._rejected(inputs), note)
        raise ModelFaultError(sentence)

    def _works(self, inputs: str) -> bool:
        """Whether the model has given a usable answer about any image of the night."""
        outputs = self._outputs(inputs)
        for number, images in self._parts():
            written = self._predictions.finished(number, images)
            if written is not None and written.scored:
                return True
            if written is None and any(
                isinstance(self._outcome(outputs, item, None), Prediction) for item in images
            ):
                return True
        return False

    def _outcome(
        self, outputs: RoundOutputs, item: StoredObject, refused: Absent | None
    ) -> Prediction | Quarantined | Unanswered | None:
        image = self._store.uri(item.key)
        quarantined = refused_by_size(image, item)
        if quarantined is not None:
            return quarantined
        try:
            body = outputs.read(self._name(item))
        except ObjectMissingError:
            if not self._transformable(item):
                return not_an_image(image, item.etag)
            if refused is None:
                return None
            quarantined = Quarantined(image, item.etag, "unreadable", f"{image} {refused.sentence}")
            if refused.by_itself:
                return quarantined
            return Unanswered(
                quarantined, Failure(image, NO_ANSWER, shown(refused.sentence)), self._decodes(item)
            )
        try:
            return Prediction.from_response(
                image,
                item.etag,
                self._predictions.model,
                body,
                file_size=lambda: header_size(self._store.read(item.key).data),
                labels=self._labels,
            )
        except PredictionError as error:
            unusable = UnusableAnswerError(str(error), ANSWERED, shown(body))
            return unanswered(image, item.etag, None, unusable, self._decodes(item))

    def _parts(self) -> Iterator[tuple[int, list[StoredObject]]]:
        for shard in self._shards:
            yield from self._predictions.parts(shard)

    def _part_hashes(self) -> list[str]:
        return [self._predictions.inputs(images) for _, images in self._parts()]

    def _rejected(self, inputs: str) -> str:
        return self._folder(inputs).rejected()

    def _folder(self, inputs: str) -> TransformFolder:
        return self._layout.transform(self._images.night, self._predictions.model, inputs)

    def _rounds(self, inputs: str) -> Rounds:
        return Rounds(self._store, self._folder(inputs), self._layout.all_images())

    def _outputs(self, inputs: str) -> RoundOutputs:
        # Every name begins with the night: it shows in an output's key where the name begins.
        night = f"{self._images.night}/"
        return RoundOutputs(self._store, self._folder(inputs), self._layout.all_images(), night)

    def _name(self, item: StoredObject) -> str:
        return below(self._layout.all_images(), item.key)

    def _changed(self) -> NightChangedError:
        return NightChangedError(
            f"The images below {self._store.uri(self._images.folder)}/ have changed since their batch "
            "transform began: the next try transforms the night as it is then."
        )
