"""What models are made of in S3, and how they are judged."""

from __future__ import annotations

from secondlook.layout.addresses import path_part, steps
from secondlook.layout.place import Place


class ModelKeys(Place):
    """Keys of what models are made of, and of how they are judged."""

    # What models are made of, and how they are judged.

    def bootstrap_voc(self) -> str:
        """Return the PASCAL VOC folder that the first model is trained from."""
        return self._key("bootstrap", "voc")

    def bootstrap_recordio(self, name: str) -> str:
        """Return the RecordIO file ``<name>.rec``; ``name`` is ``train`` or ``validation``.

        Its SHA-256 is in its metadata, that of each image in the manifest of the same images.
        """
        return self._key("bootstrap", "recordio", f"{path_part('RecordIO file', name)}.rec")

    def bootstrap_manifest(self, name: str) -> str:
        """Return the augmented manifest of the same images; ``name`` is ``train`` or ``validation``."""
        return self._key("bootstrap", f"{path_part('manifest', name)}.manifest")

    def bootstrap_rejected(self) -> str:
        """Return the list of VOC images that could not be used, with the reasons."""
        return self._key("bootstrap", "rejected.jsonl")

    def holdout(self, version: str) -> str:
        """Return the folder of one frozen version of the holdout."""
        return self._key("holdout", path_part("holdout version", version))

    def holdout_voc(self, version: str) -> str:
        """Return the folder that a holdout is uploaded into: a PASCAL VOC folder for each slice."""
        return f"{self.holdout(version)}/voc"

    def holdout_slice(self, version: str, name: str) -> str:
        """Return the PASCAL VOC folder of one slice of a holdout."""
        return f"{self.holdout_voc(version)}/{path_part('slice', name)}"

    def holdout_rejected(self, version: str) -> str:
        """Return the list of a holdout's images that could not be used, with the reasons."""
        return f"{self.holdout(version)}/rejected.jsonl"

    def holdout_manifest(self, version: str) -> str:
        """Return the holdout's augmented manifest (each line with its slice and its image's ``sha256``)."""
        return f"{self.holdout(version)}/holdout.manifest"

    def training_manifest(self, job: str, channel: str) -> str:
        """Return what a training job learned from; ``channel`` is ``train`` or ``validation``.

        Exactly what it read or, when it read RecordIO, the manifest of the same images.
        """
        return self._key(
            "training", path_part("training job", job), f"{path_part('channel', channel)}.manifest"
        )

    def recipe(self, job: str) -> str:
        """Return what a training job is to do, and the card that its model will get."""
        return self._key("training", path_part("training job", job), "recipe.json")

    def open_challenger(self) -> str:
        """Return the document of the challenger that is being trained or judged; compare-and-swap only."""
        return self._key("training", "challenger.json")

    def job_users(self, kind: str, job: str) -> str:
        """Return the record of who waits for a job; ``kind`` is ``training`` or ``transform``."""
        return self._key("jobs", path_part("kind of job", kind), f"{path_part('job', job)}.json")

    def models(self) -> str:
        """Return the folder that training jobs write into (``S3OutputPath``)."""
        return self._key("models")

    def artifact(self, model: str) -> str:
        """Return a model's artifact, where SageMaker puts it below ``models()``."""
        return self._key("models", path_part("model", model), "output", "model.tar.gz")

    def card(self, model: str) -> str:
        """Return a model's card."""
        return self._key("models", path_part("model", model), "card.json")

    def is_card(self, key: str) -> bool:
        """Say whether a key in ``models()`` is a model's card."""
        return steps(self.models(), key)[1:] == ("card.json",)

    def evaluation(self, version: str, model: str) -> str:
        """Return the folder of one model's batch transform output over one holdout."""
        return self._key("evaluations", path_part("holdout version", version), path_part("model", model))

    def evaluation_input(self, version: str, model: str) -> str:
        """Return the manifest of one model's batch transform of one holdout."""
        return f"{self.evaluation(version, model)}/input.manifest"

    def evaluation_predictions(self, version: str, model: str) -> str:
        """Return one model's predictions of one holdout, in one file."""
        return f"{self.evaluation(version, model)}/predictions.jsonl.gz"

    def comparison(self, version: str, challenger: str) -> str:
        """Return the comparison of a challenger with the champion of its time."""
        version = path_part("holdout version", version)
        return self._key("evaluations", version, "comparisons", f"{path_part('challenger', challenger)}.json")

    def champion(self) -> str:
        """Return the pointer to the model in service; write it by compare-and-swap only."""
        return self._key("champion.json")
