"""Whether the images or the model are at fault when images of a part could not be scored.

An image is to blame by itself if it is empty, too large, neither JPEG nor PNG, or cannot be decoded although
the model answers about others. Such images are quarantined, however many. Each of the others that the model
gave no usable answer about is a :class:`Failure`, and :class:`FailureRule` says when they are too many to be
the images' fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANOTHER_FORM = "an answer that is not in a form of the object detection algorithm"
NO_ANSWER = "no answer"
SERVER_ERROR = "an error of the model's server (HTTP status 5xx)"
LONGEST_SHOWN = 160


@dataclass(frozen=True)
class Failure:
    """An image that the model gave no usable answer about.

    ``way`` is what failures of one kind have in common; ``said`` what the model answered, safe to log.
    """

    image: str
    way: str
    said: str


@dataclass(frozen=True)
class Blame:
    """So many of a part's images failed in the same way that the model, or a setting, is at fault."""

    failed: int
    asked: int
    example: Failure
    share: float | None = None

    def sentence(self, *, part: str, model: str, remedy: str) -> str:
        """Return what happened and what to do.

        ``part`` names the part, ``model`` the model and where it runs, ``remedy`` is what to do, as the end
        of a sentence.
        """
        limit = (
            f", more than the {self.share:.0%} that [serving] max_failure_share allows"
            if self.share is not None
            else ", and it answers about no other image either"
        )
        return (
            f"{model} or a setting is at fault, not the images: {self.failed} of the {self.asked} images "
            f"asked about in {part} failed the same way, with {self.example.way}{limit} (about "
            f"{self.example.image} it said: {self.example.said}). Nothing of this part is written; {remedy}."
        )


@dataclass(frozen=True)
class FailureRule:
    """When failures are too many.

    They are if more than ``share`` of the images that the model was asked about, and at least ``at_least``,
    failed the same way; or if the model answered about none of a part's images, however few, and about no
    other either.
    """

    share: float = 0.2
    at_least: int = 3

    def blame(self, failures: Sequence[Failure], asked: int, works: Callable[[], bool]) -> Blame | None:
        """Return what the model is to blame for, None when the images are.

        Parameters
        ----------
        failures
            Images without a usable answer that are not to blame by themselves.
        asked
            How many images the model was asked about, those included.
        works
            Whether the model answers about any other image; called only when it answered about none of these.
        """
        if not failures:
            return None
        ways = Counter(failure.way for failure in failures)
        way, failed = ways.most_common(1)[0]
        example = next(failure for failure in failures if failure.way == way)
        if failed >= self.at_least and failed > self.share * asked:
            return Blame(failed, asked, example, self.share)
        if len(failures) == asked and not works():
            return Blame(failed, asked, example)
        return None


def way_of_status(status: int) -> str:
    """Return what a container's refusals with an HTTP status have in common; 0: it did not answer."""
    if status == 0:
        return NO_ANSWER
    return SERVER_ERROR if status >= 500 else f"HTTP status {status}"


def shown(said: bytes | str) -> str:
    """Return an answer as a log may show it: one line, no control characters, shortened."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST_SHOWN]).split())
    if not text:
        return "nothing"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
