"""What becomes of an image that a model is to score, and when the model is to blame for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from include.formats.images import MAX_IMAGE_BYTES
from secondlook.scoring.quarantine import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secondlook.detection import Prediction
    from secondlook.scoring.answers import UnusableAnswerError
    from secondlook.scoring.quarantine import Blame, FailureRule
    from secondlook.stored import StoredObject

NOT_AN_IMAGE = "not-an-image"


@dataclass(frozen=True)
class Quarantined:
    """An image that could not be scored.

    ``code``: not-an-image, too-large, empty-file, unreadable or model-error; ``reason`` is one sentence.
    ``sha256`` is None when the bytes were not read.
    """

    image: str
    etag: str
    code: str
    reason: str
    sha256: str | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the line of quarantine.jsonl."""
        return asdict(self)


@dataclass(frozen=True)
class Unanswered:
    """An image that the model gave no usable answer about. Whose fault that is shows in the whole part.

    ``quarantined`` is what becomes of it if it is its own; ``decodes`` whether it can be decoded here;
    ``of_server`` whether the model failed, for whatever reason, rather than refused it.
    """

    quarantined: Quarantined
    failure: Failure
    decodes: bool
    of_server: bool = False


def judge(
    outcomes: Iterable[Prediction | Quarantined | Unanswered | None],
    rule: FailureRule,
    works: Callable[[], bool],
) -> Blame | None:
    """Return what the model is to blame for in a part; None when its failures are the images' own.

    An image that cannot be decoded here is its own fault, provided that the model answers about others, which
    ``works`` tells. None is an image about which nothing is known yet.
    """
    works = cache(works)
    failed: list[Unanswered] = []
    others = 0
    for outcome in outcomes:
        if isinstance(outcome, Unanswered):
            failed.append(outcome)
        elif not isinstance(outcome, Quarantined):
            others += 1
    decodable = [outcome.failure for outcome in failed if outcome.decodes]
    blame = rule.blame(decodable, len(decodable) + others, works)
    if blame is None and len(decodable) < len(failed) and not works():
        return rule.blame([outcome.failure for outcome in failed], len(failed) + others, works)
    return blame


def quarantine_failures(
    outcomes: Iterable[Prediction | Quarantined | Unanswered],
) -> Iterator[Prediction | Quarantined]:
    """Yield what becomes of each image when the model is not to blame: what failed is quarantined."""
    for outcome in outcomes:
        yield outcome.quarantined if isinstance(outcome, Unanswered) else outcome


def unanswered(
    image: str, etag: str, sha256: str | None, error: UnusableAnswerError, decodable: bool
) -> Unanswered:
    """Note that the model gave no usable answer about an image."""
    code, reason = "model-error", str(error)
    if error.status in {400, 415}:
        code = "unreadable"
    elif error.status == 413:
        code = "too-large"
    elif not decodable:
        code, reason = "unreadable", f"{image} cannot be decoded, by the model and here: upload a sound file."
    failure = Failure(image, error.way, error.said)
    quarantined = Quarantined(image, etag, code, reason, sha256)
    return Unanswered(quarantined, failure, decodable, error.of_server)


def refused_by_size(image: str, item: StoredObject) -> Quarantined | None:
    """Refuse what no model is sent: empty files and too large ones; None when the size is right."""
    if item.size == 0:
        return Quarantined(image, item.etag, "empty-file", f"{image} is an empty file: upload it again.")
    if item.size > MAX_IMAGE_BYTES:
        return Quarantined(
            image,
            item.etag,
            "too-large",
            f"{image} has {item.size} bytes and an endpoint takes at most {MAX_IMAGE_BYTES}: "
            "upload a smaller version.",
        )
    return None


def not_an_image(image: str, etag: str, sha256: str | None = None) -> Quarantined:
    """Refuse what by its first bytes is no image that a model can read."""
    reason = f"{image} is neither a JPEG nor a PNG file, whatever its name: upload it as one of the two."
    return Quarantined(image, etag, NOT_AN_IMAGE, reason, sha256)
