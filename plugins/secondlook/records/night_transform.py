"""A night's batch transform: what goes in, what came out, and what is missing.

Everything lies in a folder whose name is a hash of the night's images and their versions, so an output there
is about exactly the version that is listed. The first wave holds the whole night, each further one the
images without output. Images are read part by part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING

from secondlook.detection import Prediction
from secondlook.failures.exceptions import ModelFaultError
from secondlook.json_document import JsonDocument
from secondlook.layout import below
from secondlook.records.document import Document
from secondlook.records.predictions import Counts
from secondlook.records.transform_inputs import TransformInputs
from secondlook.records.transformed_images import TransformedImages
from secondlook.records.wave_outputs import WaveOutputs
from secondlook.records.waves import Waves
from secondlook.scoring.outcomes import judge, quarantine_failures
from secondlook.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.hooks.s3 import ObjectStore, StoredObject
    from secondlook.layout import Layout, TransformFolder
    from secondlook.records.predictions import NightImages, NightPredictions
    from secondlook.records.transformed_images import Absent, Outcome
    from secondlook.records.waves import Wave
    from secondlook.scoring import FailureRule
    from secondlook.scoring.shards import Shard

REMEDY = (
    "correct the model's container (image_uri) or the labels in the settings, then clear this task, which "
    "starts another batch transform; or raise [serving] max_failure_share if such images may be left out"
)


class RejectedAnswers(JsonDocument):
    """The note that a model's answers are of no use: which batch transform gave them, and why."""

    job: str
    reason: str


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
        self._inputs = TransformInputs(store, layout, images, predictions, shards)
        self._concurrency = concurrency
        self._rule = rule
        self._transformed = TransformedImages(store, predictions.model, labels)

    def inputs(self) -> str:
        """Hash the night's images and versions, by one listing.

        A number follows from the second time on that they are transformed because the model's answers were of
        no use.

        Raises
        ------
        NoImagesError
            There are none.
        """
        return self._inputs.current()

    def uri(self, key: str) -> str:
        """Return the address of a key."""
        return self._layout.uri(key)

    def output_folder(self, inputs: str, wave: Wave, job: str) -> str:
        """Return the key of the output path of a job of a wave."""
        return self._folder(inputs).job(wave.number, job)

    def answered(self, inputs: str, wave: Wave, job: str) -> bool:
        """Whether the model answered in this job: about the control; about any image if there is none."""
        return self._outputs(inputs).answered(wave.number, job, wave.control)

    def open_wave(self, inputs: str) -> Wave | None:
        """Return the last wave, preparing the first; None when no image is left to transform."""
        if not any(self._inputs.missing()):
            return None
        return self._waves(inputs).last() or self._first_wave(inputs)

    def collect(
        self,
        inputs: str,
        after: Wave | None,
        *,
        job: str = "",
        refusals: int = 0,
        refused: Absent | None = None,
    ) -> Collected:
        """Write every part that is complete, and a further wave for the images that have no output.

        ``after`` is the last wave, ``refusals`` counts the waves, up to it, in which the model has refused
        the images that it holds. A wave that neither brought an output nor was a refusal gets no further
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
        parts = self._inputs.parts_of(inputs)
        outputs = self._outputs(inputs)
        counts, missing, first = Counts(), 0, ""
        with self._waves(inputs).new(after.number + 1 if after else 1) as further:
            for number, images in parts:
                written = self._predictions.finished(number, images)
                if written is None:
                    outcomes = self._outcomes(outputs, images, refused)
                    self._judge(inputs, number, outcomes, job)
                    absent = [item for item, outcome in zip(images, outcomes, strict=True) if not outcome]
                    for item in absent:
                        further.add(self._name(item))
                        first = first or self._store.uri(item.key)
                    missing += len(absent)
                    if absent:
                        continue
                    known = quarantine_failures(filter(None, outcomes))
                    written = self._predictions.write(number, images, known)
                counts += written
            if after is not None and after.leads_on(missing, refusals):
                further.write(control=outputs.any_name(), refusals=refusals)
        return Collected(counts, missing, first)

    def decodes_nothing(self, inputs: str) -> bool:
        """Whether no image without output can be decoded here either; reads on to the first that can."""
        outputs = self._outputs(inputs)
        return not any(
            self._transformed.outcome(outputs, item) is None and self._transformed.decodes(item)
            for _, images in self._inputs.missing()
            for item in images
        )

    def _first_wave(self, inputs: str) -> Wave | None:
        with self._waves(inputs).new(1) as first:
            for _, images in self._inputs.missing():
                wanted = in_order(self._transformed.wanted, images, self._concurrency)
                for item in compress(images, wanted):
                    first.add(self._name(item))
            return first.write() if first.images else None

    def _judge(
        self,
        inputs: str,
        number: int,
        outcomes: Sequence[Outcome | None],
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
        # Another run of the night may have come to the same.
        note = Document(self._store, self._folder(inputs).rejected(), RejectedAnswers)
        note.write_once(RejectedAnswers(job=job, reason=sentence))
        raise ModelFaultError(sentence)

    def _outcomes(
        self, outputs: WaveOutputs, images: Sequence[StoredObject], refused: Absent | None
    ) -> list[Outcome | None]:
        look = partial(self._transformed.outcome, outputs, refused=refused)
        return list(in_order(look, images, self._concurrency))

    def _works(self, inputs: str) -> bool:
        """Whether the model has given a usable answer about any image of the night."""
        outputs = self._outputs(inputs)
        for number, images in self._inputs.parts():
            written = self._predictions.finished(number, images)
            if written is not None and written.scored:
                return True
            if written is None and any(
                isinstance(self._transformed.outcome(outputs, item), Prediction) for item in images
            ):
                return True
        return False

    def _folder(self, inputs: str) -> TransformFolder:
        return self._layout.transform(self._images.night, self._predictions.model, inputs)

    def _waves(self, inputs: str) -> Waves:
        return Waves(self._store, self._folder(inputs), self._layout.all_images())

    def _outputs(self, inputs: str) -> WaveOutputs:
        # Every name begins with the night: it shows in an output's key where the name begins.
        night = f"{self._images.night}/"
        return WaveOutputs(self._store, self._folder(inputs), self._layout.all_images(), night)

    def _name(self, item: StoredObject) -> str:
        return below(self._layout.all_images(), item.key)
