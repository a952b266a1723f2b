"""What a night leaves in S3: images, predictions, reviews and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.failures.exceptions import S3UriError
from secondlook.layout.addresses import check_night, path_part, steps
from secondlook.layout.place import Place
from secondlook.layout.transform import TransformFolder

if TYPE_CHECKING:
    from datetime import date


class NightKeys(Place):
    """Keys of what a night leaves."""

    # What arrives, and what the champion says about it.

    def all_images(self) -> str:
        """Return the folder of all nights' images."""
        return self._key("images")

    def images(self, night: str) -> str:
        """Return the folder of the images that arrived that night."""
        return self._key("images", check_night(night))

    def all_predictions(self, night: str) -> str:
        """Return the folder of all models' predictions of one night, in a folder for each model."""
        return self._key("predictions", check_night(night))

    def predictions(self, night: str, model: str) -> str:
        """Return the folder of one model's predictions of one night."""
        return self._key("predictions", check_night(night), path_part("model", model))

    def prediction_parts(self, night: str, model: str) -> str:
        """Return what the keys of all parts of the predictions begin with."""
        return f"{self.predictions(night, model)}/part-"

    def prediction_part(self, night: str, model: str, index: int) -> str:
        """Return the ``index``-th part (from 0) of the predictions.

        Each line tells ``etag``, the version of the image, and ``sha256``, its content: null when the
        image was not read here, in a night scored by batch transform.
        """
        if index < 0:
            raise S3UriError(f"Prediction parts count from 0, not {index}; pass the index of the part.")
        return f"{self.prediction_parts(night, model)}{index:05d}.jsonl.gz"

    def quarantine(self, night: str, model: str) -> str:
        """Return the file of images that could not be scored, with the reasons.

        ``etag`` and ``sha256`` as in the predictions; what is refused by its size is not read.
        """
        return f"{self.predictions(night, model)}/quarantine.jsonl"

    def predictions_summary(self, night: str, model: str) -> str:
        """Return the counts of the scoring task."""
        return f"{self.predictions(night, model)}/summary.json"

    def refused_parts(self, night: str, model: str) -> str:
        """Return what the keys of the quarantine lines of all parts begin with."""
        return f"{self.predictions(night, model)}/quarantine/part-"

    def refused_part(self, night: str, model: str, index: int) -> str:
        """Return the quarantine lines of the ``index``-th part."""
        self.prediction_part(night, model, index)
        return f"{self.refused_parts(night, model)}{index:05d}.jsonl"

    def transforms(self, night: str, model: str) -> str:
        """Return the folder of all batch transforms of a night by one model."""
        return self._key("transforms", check_night(night), path_part("model", model))

    def transform(self, night: str, model: str, inputs: str) -> TransformFolder:
        """Return the folder of a night's batch transform; ``inputs`` is the hash of what it reads."""
        return TransformFolder(f"{self.transforms(night, model)}/{path_part('hash of the inputs', inputs)}")

    # What people review, and what they answer.

    def reviews(self) -> str:
        """Return the folder of all nights' reviews."""
        return self._key("reviews")

    def ledger(self, night: str) -> str:
        """Return the list of images selected for review, written before any loop starts.

        Each line tells the image's ``sha256``: loops are named by it, so the same bytes are reviewed once.
        """
        return self._key("reviews", check_night(night), "ledger.jsonl")

    def review_selection(self, night: str, round: int) -> str:
        """Return the list of images that the night would have reviewed if the budget had room for all."""
        return self._key("reviews", check_night(night), f"selection-{round}.json")

    def taken_up(self, night: str) -> str:
        """Return which nights have claimed what this one postponed; write it by compare-and-swap only."""
        return self._key("reviews", check_night(night), "taken-up.json")

    def postponed_marks(self) -> str:
        """Return the folder of marks of the nights that postponed images, by the date of their launch."""
        return self._key("postponed")

    def postponed_mark(self, launched_on: date, night: str) -> str:
        """Return the mark of a night, launched on that date (UTC), that postponed images."""
        return f"{self.postponed_marks()}/{launched_on.isoformat()}/{check_night(night)}"

    def taken_up_marks(self, taker: str) -> str:
        """Return the folder of marks of the nights whose postponed images the night ``taker`` reviews."""
        return self._key("taken-up", check_night(taker))

    def taken_up_mark(self, taker: str, night: str) -> str:
        """Return the mark of one night whose postponed images are all taken up, some by ``taker``."""
        return f"{self.taken_up_marks(taker)}/{check_night(night)}"

    def budgets(self) -> str:
        """Return the folder of the months' budgets."""
        return self._key("budgets")

    def budget(self, month: str) -> str:
        """Return one calendar month's budget (``YYYY-MM``); write it by compare-and-swap only."""
        return self._key("budgets", f"{path_part('month', month)}.json")

    def launch_summary(self, night: str) -> str:
        """Return the counts of the task that starts the loops."""
        return self._key("reviews", check_night(night), "launch.json")

    def outcomes(self, night: str) -> str:
        """Return the list of ended loops."""
        return self._key("reviews", check_night(night), "outcomes.jsonl")

    def a2i_output(self) -> str:
        """Return the folder that Amazon A2I writes into (``S3OutputPath`` of the flow definition)."""
        return self._key("reviews", "a2i")

    def example_image(self) -> str:
        """Return the image that the worker template is tried with."""
        return f"{self.a2i_output()}/example.jpg"

    def manifests(self) -> str:
        """Return the folder of all nights' answers."""
        return self._key("manifests")

    def reviewed_manifest(self, night: str) -> str:
        """Return the augmented manifest of the night's answers, each line with its image's ``sha256``."""
        return self._key("manifests", check_night(night), "reviewed.manifest")

    def rejected(self, night: str) -> str:
        """Return the list of reviews that gave no training line, with the reasons."""
        return self._key("manifests", check_night(night), "rejected.jsonl")

    def manifest_summary(self, night: str) -> str:
        """Return the counts of the manifest task."""
        return self._key("manifests", check_night(night), "summary.json")

    # What a key is, for those who list folders.

    def is_ledger(self, key: str) -> bool:
        """Say whether a key in ``reviews()`` is a night's ledger."""
        return steps(self.reviews(), key)[1:] == ("ledger.jsonl",)

    def is_reviewed_manifest(self, key: str) -> bool:
        """Say whether a key in ``manifests()`` is the manifest of a night's answers."""
        return steps(self.manifests(), key)[1:] == ("reviewed.manifest",)

    def is_rejected(self, key: str) -> bool:
        """Say whether a key in ``manifests()`` is the list of reviews that gave no training line."""
        return steps(self.manifests(), key)[1:] == ("rejected.jsonl",)
