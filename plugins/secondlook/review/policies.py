"""Whom to ask: review policies turn what a detector said about an image into a priority."""

from __future__ import annotations

import importlib
import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from secondlook.failures.exceptions import ReviewPolicyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondlook.detection import Prediction

PUBLISHED_SCORE_THRESHOLD = 0.5
DEFAULT_FLOOR = 0.05
DEFAULT_EMPTY_SHARE = 0.1
_PRIORITY_DIGITS = 6
_NO_POLICY = "{} is no review policy: it needs an attribute name and a method priority(prediction)."


@runtime_checkable
class ReviewPolicy(Protocol):
    """What a policy offers; one's own class is named by import path, ``package.module:Class``."""

    @property
    def name(self) -> str:
        """Name of the policy, written into each ledger line."""
        ...

    def priority(self, prediction: Prediction) -> float | None:
        """Return how much the image deserves a review (more is sooner), None for no review at all."""
        ...


@runtime_checkable
class EmptyAwarePolicy(ReviewPolicy, Protocol):
    """A policy that keeps part of its reviews for images in which the detector found nothing."""

    @property
    def empty_share(self) -> float:
        """Share of the policy's reviews, 0 to 1, kept for images without findings."""
        ...

    def finds_nothing(self, prediction: Prediction) -> bool:
        """Return whether the policy sees no object in the image."""
        ...


@dataclass(frozen=True, slots=True)
class TopScorePolicy:
    """The published rule: ask when the surest detection scores below a threshold; no detection counts as 0.

    It is blind to a missed object beside a sure one.
    """

    threshold: float = PUBLISHED_SCORE_THRESHOLD
    name: str = "top_score"

    def __post_init__(self) -> None:
        _check_share("threshold", self.threshold)

    def priority(self, prediction: Prediction) -> float | None:
        """Return 1 minus the top score when that is below the threshold."""
        return 1.0 - prediction.top_score if prediction.top_score < self.threshold else None


@dataclass(frozen=True, slots=True)
class UncertaintySumPolicy:
    """Ask first about the images with most doubt in all: the sum of the doubt of each detection.

    ``gini`` measures doubt as p(1-p), ``entropy`` as -p ln p - (1-p) ln(1-p) of a score p (the first stage
    of Yang et al., "Plug and Play Active Learning for Object Detection", CVPR 2024). Detections below
    ``floor`` are noise and count nothing. An image without findings has no doubt to sum, yet may hide what
    the detector missed, so a share of the reviews is kept for such images.
    """

    kind: str = "gini"
    floor: float = DEFAULT_FLOOR
    empty_share: float = DEFAULT_EMPTY_SHARE
    name: str = "uncertainty_sum"

    def __post_init__(self) -> None:
        if self.kind not in _DOUBT:
            raise ReviewPolicyError(
                f"The policy uncertainty_sum has no kind {self.kind!r};"
                f" choose one of {', '.join(sorted(_DOUBT))}."
            )
        _check_share("floor", self.floor)
        _check_share("empty_share", self.empty_share)

    def priority(self, prediction: Prediction) -> float | None:
        """Return the summed doubt of the detections above the floor."""
        doubt = _DOUBT[self.kind]
        return math.fsum(doubt(d.score) for d in prediction.detections if d.score >= self.floor)

    def finds_nothing(self, prediction: Prediction) -> bool:
        """Return whether no detection reaches the floor."""
        return prediction.top_score < self.floor


@dataclass(frozen=True, slots=True)
class RandomPolicy:
    """Ask about a random sample; equal priorities are drawn by lot, and here all are equal."""

    name: str = "random"

    def priority(self, prediction: Prediction) -> float | None:
        """Return the same priority for each image."""
        return 1.0


def resolve_policy(name: str, **params: Any) -> ReviewPolicy:
    """Return a policy by its name or by the import path of its class, ``package.module:Class``.

    Parameters
    ----------
    name
        ``top_score``, ``uncertainty_sum``, ``random``, or an import path.
    params
        Keyword arguments of the policy, for example ``threshold=0.4``.

    Raises
    ------
    ReviewPolicyError
        When there is no such policy, it refuses a parameter, or the class is no policy.
    """
    factory = _POLICIES.get(name) or _import_policy(name)
    try:
        policy = factory(**params)
    except (TypeError, ValueError) as error:
        raise ReviewPolicyError(
            f"The review policy {name} refuses its parameters ({error}): it takes {_takes(factory)}."
        ) from error
    if not isinstance(policy, ReviewPolicy):
        raise ReviewPolicyError(_NO_POLICY.format(name))
    return policy


def _takes(factory: Callable[..., object]) -> str:
    try:
        names = ", ".join(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return "others"
    return names or "none"


def priority_of(policy: ReviewPolicy, prediction: Prediction) -> float | None:
    """Return a policy's priority, rounded so that it is the same on every machine.

    Raises
    ------
    ReviewPolicyError
        When the policy returns something that is neither None nor a finite number.
    """
    value = policy.priority(prediction)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ReviewPolicyError(
            f"The review policy {policy.name} gave {prediction.image} the priority {value!r};"
            " it must return a finite number or None."
        )
    return round(float(value), _PRIORITY_DIGITS)


def _gini(score: float) -> float:
    return score * (1.0 - score)


def _entropy(score: float) -> float:
    return -math.fsum(p * math.log(p) for p in (score, 1.0 - score) if p > 0)


_DOUBT: dict[str, Callable[[float], float]] = {"gini": _gini, "entropy": _entropy}
_POLICIES: dict[str, Callable[..., ReviewPolicy]] = {
    "top_score": TopScorePolicy,
    "uncertainty_sum": UncertaintySumPolicy,
    "random": RandomPolicy,
}


def _import_policy(path: str) -> Callable[..., ReviewPolicy]:
    module_name, separator, class_name = path.partition(":")
    if not separator:
        raise ReviewPolicyError(
            f"There is no review policy {path!r}; choose one of {', '.join(sorted(_POLICIES))}, "
            "or name your own as package.module:Class."
        )
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ReviewPolicyError(
            f"The review policy {path} cannot be imported ({error}); correct the path."
        ) from error
    factory: object = getattr(module, class_name, None)
    # The settings list what a run may name (ReviewSettings.override); of it only a policy class is called.
    if inspect.isclass(factory) and not callable(getattr(factory, "priority", None)):
        raise ReviewPolicyError(_NO_POLICY.format(path))
    if not inspect.isclass(factory):
        raise ReviewPolicyError(
            f"The module {module_name} has no class {class_name!r}; correct the review policy's path."
        )
    return cast("Callable[..., ReviewPolicy]", factory)


def _check_share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ReviewPolicyError(f"The review policy's {name} is {value!r}; give a number between 0 and 1.")
