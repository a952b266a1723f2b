"""Where everything lies in S3: the only module that spells keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from include.formats import s3_uri
from secondlook.failures.exceptions import NightError, S3UriError

_BUCKET = re.compile(s3_uri.BUCKET)
# A prefix is part of a tag: letters, digits, spaces and _.:/=+-@, 256 in all (SageMaker API Reference, Tag).
_PREFIX = re.compile(r"([A-Za-z0-9_.=@+-]+(/[A-Za-z0-9_.=@+-]+)*)?")
_MAX_PREFIX_LENGTH = 180
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may be empty, may hold any character.

    Raises
    ------
    S3UriError
        When ``uri`` has another form.
    """
    try:
        return s3_uri.split_s3_uri(uri)
    except ValueError as error:
        raise S3UriError(str(error)) from None


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if keys and tags can be made of it; empty is the whole bucket.

    Raises
    ------
    S3UriError
        It has a part ``.`` or ``..``, a character that a tag does not take, or more than 180 characters.
    """
    parts = prefix.split("/")
    if "." in parts or ".." in parts:
        # S3 takes such keys, but clients and services that join them to paths leave the folder.
        raise S3UriError(f"The prefix {prefix!r} has a part '.' or '..'; name folders only.")
    if not _PREFIX.fullmatch(prefix):
        raise S3UriError(
            f"The prefix {prefix!r} cannot be used, because it becomes the tag of every resource: write "
            "folder names of letters, digits and _ . = @ + -, separated by single slashes."
        )
    if len(prefix) > _MAX_PREFIX_LENGTH:
        raise S3UriError(
            f"The prefix {prefix!r} has {len(prefix)} characters; use {_MAX_PREFIX_LENGTH} at most."
        )
    return prefix


def check_night(text: str) -> str:
    """Return ``text`` if it is a calendar date written YYYY-MM-DD.

    Raises
    ------
    NightError
        Otherwise.
    """
    if not _NIGHT.fullmatch(text):
        raise NightError(f"The night {text!r} is not a date; write it as YYYY-MM-DD, for example 2026-11-22.")
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise NightError(f"The night {text!r} is not in the calendar ({error}); correct the date.") from error
    return text


def _part(kind: str, text: str) -> str:
    """Return one path part; a slash or nothing in it would silently address another folder."""
    if not text or "/" in text or text in {".", ".."}:
        raise S3UriError(f"The {kind} {text!r} cannot be part of an S3 key; give a name without slashes.")
    return text


@dataclass(frozen=True, slots=True)
class Layout:
    """Keys of one deployment below ``s3://<bucket>/<prefix>``.

    Every method returns a key, prefix included and without a trailing slash; ``uri`` makes an address of
    it. Append ``/`` before listing a folder.
    """

    bucket: str
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise S3UriError(
                f"The bucket name {self.bucket!r} is not one that S3 allows; correct the setting bucket."
            )
        object.__setattr__(self, "prefix", check_prefix(self.prefix.strip("/")))

    def uri(self, key: str) -> str:
        """Return the address ``s3://<bucket>/<key>``."""
        return f"s3://{self.bucket}/{key}"

    def key_of(self, uri: str) -> str:
        """Return the key of an address in this bucket.

        Raises
        ------
        S3UriError
            When the address names another bucket.
        """
        bucket, key = split_s3_uri(uri)
        if bucket != self.bucket:
            raise S3UriError(
                f"{uri} lies in bucket {bucket!r}, but this deployment keeps its data in {self.bucket!r}."
            )
        return key

    # What arrives, and what the champion says about it.

    def images(self, night: str) -> str:
        """Return the folder of the images that arrived that night."""
        return self._key("images", check_night(night))

    def predictions(self, night: str, model: str) -> str:
        """Return the folder of one model's predictions of one night."""
        return self._key("predictions", check_night(night), _part("model", model))

    def prediction_part(self, night: str, model: str, index: int) -> str:
        """Return the ``index``-th part (from 0) of the predictions.

        Each line tells ``etag``, the version of the image, and ``sha256``, its content: null when the
        image was not read here, in a night scored by batch transform.
        """
        if index < 0:
            raise S3UriError(f"Prediction parts count from 0, not {index}; pass the index of the part.")
        return f"{self.predictions(night, model)}/part-{index:05d}.jsonl.gz"

    def quarantine(self, night: str, model: str) -> str:
        """Return the file of images that could not be scored, with the reasons.

        ``etag`` and ``sha256`` as in the predictions; what is refused by its size is not read.
        """
        return f"{self.predictions(night, model)}/quarantine.jsonl"

    def predictions_summary(self, night: str, model: str) -> str:
        """Return the counts of the scoring task."""
        return f"{self.predictions(night, model)}/summary.json"

    def refused_part(self, night: str, model: str, index: int) -> str:
        """Return the quarantine lines of the ``index``-th part."""
        self.prediction_part(night, model, index)
        return f"{self.predictions(night, model)}/quarantine/part-{index:05d}.jsonl"

    def transform(self, night: str, model: str, inputs: str) -> str:
        """Return the folder of a night's batch transform; ``inputs`` is the hash of what it reads.

        What lies there is of no use once the predictions are written.
        """
        folder = (_part("model", model), _part("hash of the inputs", inputs))
        return self._key("transforms", check_night(night), *folder)

    def transform_rejected(self, night: str, model: str, inputs: str) -> str:
        """Return the note that the answers of a night's batch transform are of no use."""
        return f"{self.transform(night, model, inputs)}/rejected.json"

    # What people are asked, and what they answered.

    def ledger(self, night: str) -> str:
        """Return the list of images selected for review, written before any loop starts.

        Each line tells the image's ``sha256``: loops are named by it, so the same bytes are asked about once.
        """
        return self._key("reviews", check_night(night), "ledger.jsonl")

    def review_plan(self, night: str, round: int) -> str:
        """Return the list of images that the night would ask about if the budget had room for all."""
        return self._key("reviews", check_night(night), f"plan-{round}.json")

    def taken_up(self, night: str) -> str:
        """Return who has claimed what the night deferred; write it by compare-and-swap only."""
        return self._key("reviews", check_night(night), "taken-up.json")

    def deferred_marks(self) -> str:
        """Return the folder of marks of the nights that have deferred images, by the date of their launch."""
        return self._key("deferred")

    def deferred_mark(self, launched_on: date, night: str) -> str:
        """Return the mark of a night, launched on that date (UTC), that has deferred images."""
        return f"{self.deferred_marks()}/{launched_on.isoformat()}/{check_night(night)}"

    def taken_up_marks(self, taker: str) -> str:
        """Return the folder of marks of the nights whose deferred images the night ``taker`` asks about."""
        return self._key("taken-up", check_night(taker))

    def taken_up_mark(self, taker: str, night: str) -> str:
        """Return the mark of one night whose deferred images are all taken up, some by ``taker``."""
        return f"{self.taken_up_marks(taker)}/{check_night(night)}"

    def budgets(self) -> str:
        """Return the folder of the months' budgets."""
        return self._key("budgets")

    def budget(self, month: str) -> str:
        """Return one calendar month's budget (``YYYY-MM``); write it by compare-and-swap only."""
        return self._key("budgets", f"{_part('month', month)}.json")

    def launch_summary(self, night: str) -> str:
        """Return the counts of the task that starts the loops."""
        return self._key("reviews", check_night(night), "launch.json")

    def outcomes(self, night: str) -> str:
        """Return the list of ended loops."""
        return self._key("reviews", check_night(night), "outcomes.jsonl")

    def a2i_output(self) -> str:
        """Return the folder that Amazon A2I writes into (``S3OutputPath`` of the flow definition)."""
        return self._key("reviews", "a2i")

    def reviewed_manifest(self, night: str) -> str:
        """Return the augmented manifest of the night's answers, each line with its image's ``sha256``."""
        return self._key("manifests", check_night(night), "reviewed.manifest")

    def rejected(self, night: str) -> str:
        """Return the list of reviews that gave no training line, with the reasons."""
        return self._key("manifests", check_night(night), "rejected.jsonl")

    def manifest_summary(self, night: str) -> str:
        """Return the counts of the manifest task."""
        return self._key("manifests", check_night(night), "summary.json")

    # What models are made of, and how they are judged.

    def bootstrap_voc(self) -> str:
        """Return the PASCAL VOC folder that the first model is trained from."""
        return self._key("bootstrap", "voc")

    def bootstrap_recordio(self, name: str) -> str:
        """Return the RecordIO file ``<name>.rec``; ``name`` is ``train`` or ``validation``.

        Its SHA-256 is in its metadata, that of each image in the manifest of the same images.
        """
        return self._key("bootstrap", "recordio", f"{_part('RecordIO file', name)}.rec")

    def bootstrap_manifest(self, name: str) -> str:
        """Return the augmented manifest of the same images; ``name`` is ``train`` or ``validation``."""
        return self._key("bootstrap", f"{_part('manifest', name)}.manifest")

    def bootstrap_rejected(self) -> str:
        """Return the list of VOC images that could not be used, with the reasons."""
        return self._key("bootstrap", "rejected.jsonl")

    def holdout(self, version: str) -> str:
        """Return the folder of one frozen version of the holdout."""
        return self._key("holdout", _part("holdout version", version))

    def holdout_manifest(self, version: str) -> str:
        """Return the holdout's augmented manifest (each line with its slice and its image's ``sha256``)."""
        return f"{self.holdout(version)}/holdout.manifest"

    def training_manifest(self, job: str, channel: str) -> str:
        """Return what a training job learned from; ``channel`` is ``train`` or ``validation``.

        Exactly what it read or, when it read RecordIO, the manifest of the same images.
        """
        return self._key("training", _part("training job", job), f"{_part('channel', channel)}.manifest")

    def open_challenger(self) -> str:
        """Return the document of the challenger that is being trained or judged; compare-and-swap only."""
        return self._key("training", "challenger.json")

    def job_users(self, kind: str, job: str) -> str:
        """Return the record of who waits for a job; ``kind`` is ``training`` or ``transform``."""
        return self._key("jobs", _part("kind of job", kind), f"{_part('job', job)}.json")

    def models(self) -> str:
        """Return the folder that training jobs write into (``S3OutputPath``)."""
        return self._key("models")

    def artifact(self, model: str) -> str:
        """Return a model's artifact, where SageMaker puts it below ``models()``."""
        return self._key("models", _part("model", model), "output", "model.tar.gz")

    def card(self, model: str) -> str:
        """Return a model's card."""
        return self._key("models", _part("model", model), "card.json")

    def evaluation(self, version: str, model: str) -> str:
        """Return the folder of one model's batch transform output over one holdout."""
        return self._key("evaluations", _part("holdout version", version), _part("model", model))

    def evaluation_predictions(self, version: str, model: str) -> str:
        """Return one model's predictions of one holdout, in one file."""
        return f"{self.evaluation(version, model)}/predictions.jsonl.gz"

    def comparison(self, version: str, challenger: str) -> str:
        """Return the comparison of a challenger with the champion of its time."""
        version = _part("holdout version", version)
        return self._key("evaluations", version, "comparisons", f"{_part('challenger', challenger)}.json")

    def champion(self) -> str:
        """Return the pointer to the model in service; write it by compare-and-swap only."""
        return self._key("champion.json")

    def _key(self, *parts: str) -> str:
        return "/".join((self.prefix, *parts) if self.prefix else parts)
