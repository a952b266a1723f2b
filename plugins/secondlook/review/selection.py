"""Choosing the night's images for review: the policy's picks, a random audit, never more than the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from secondlook.failures.exceptions import ReviewPolicyError
from secondlook.names import digest
from secondlook.review.policies import EmptyAwarePolicy, ReviewPolicy, priority_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.detection import Prediction
    from secondlook.review.ledger import Reason

Ranked: TypeAlias = "tuple[Prediction, float]"
# So that a small ranking is not sorted again at every other image.
_SPARE = 100


@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image to review: why, with what priority (0 when the policy did not want it), rank from 1."""

    prediction: Prediction
    reason: Reason
    priority: float
    rank: int


def select(
    predictions: Iterable[Prediction],
    policy: ReviewPolicy,
    limit: int,
    audit_share: float,
    seed: int,
    night: str,
) -> list[SelectedImage]:
    """Choose at most ``limit`` images, best-ranked first, audits last.

    The selection depends on the images, not on their order: equal priorities are decided by a hash of seed,
    night and image. Scores under drift deserve no trust, so ``audit_share`` of the limit goes to images
    that the policy did not pick, drawn by lot. The images pass by once, and no more of them are kept than
    the limit makes necessary, so a night may be larger than the memory.

    Parameters
    ----------
    predictions
        All scored images of the night, read once; a repeated image counts once, and so do copies of it under
        other names as far as their content is known.
    policy
        Ranks the images; see ``ReviewPolicy``.
    limit
        Most reviews to pay for.
    audit_share
        Share of the limit, 0 to 1 (rounded to whole images), that the audit takes.
    seed, night
        Seeds of the lots.

    Raises
    ------
    ReviewPolicyError
        When the limit or the share makes no sense, or the policy misbehaves.
    """
    if limit < 0:
        raise ReviewPolicyError(f"The review limit is {limit}; give 0 or more reviews.")
    if not 0 <= audit_share <= 1:
        raise ReviewPolicyError(f"The audit share is {audit_share}; give a number between 0 and 1.")
    audit_slots = math.floor(limit * audit_share + 0.5)
    slots = limit - audit_slots
    ranked, empty = _First(slots), _First(_slots_for_empty(policy, slots))
    # Whatever the policy picks is out of the draw, so as many more have to be drawn.
    drawn = _First(limit)
    for prediction in predictions:
        version = prediction.image, prediction.etag
        lot = (digest("select", seed, night, *version, length=32), *version)
        priority = priority_of(policy, prediction)
        pair = (prediction, priority or 0.0)
        drawn.offer((digest("audit", seed, night, *version, length=32), *lot), pair)
        if priority is None:
            continue
        ranked.offer((-priority, *lot), pair)
        if isinstance(policy, EmptyAwarePolicy) and policy.finds_nothing(prediction):
            empty.offer((-priority, *lot), pair)
    picked = _policy_picks(ranked.in_order(), empty.in_order(), slots)
    taken = {_identity(prediction) for prediction, _ in picked}
    audited = [pair for pair in drawn.in_order() if _identity(pair[0]) not in taken]
    chosen: list[tuple[Ranked, Reason]] = [(pair, "policy") for pair in picked]
    chosen += [(pair, "audit") for pair in audited[:audit_slots]]
    return [
        SelectedImage(prediction, reason, priority, rank)
        for rank, ((prediction, priority), reason) in enumerate(chosen, start=1)
    ]


class _First:
    """The ``size`` first images of a stream by a key that no two share; keeps little more than those.

    Of images with the same content the first by its key stays.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[tuple[Any, ...], Ranked] = {}
        self._key_of: dict[tuple[str, ...], tuple[Any, ...]] = {}
        self._last: tuple[Any, ...] | None = None

    def offer(self, key: tuple[Any, ...], pair: Ranked) -> None:
        """Take the next image of the stream; one that is repeated, or a copy, counts once."""
        if self._size == 0 or (self._last is not None and key > self._last):
            return
        image = _identity(pair[0])
        before = self._key_of.get(image, key)
        if before < key:
            return
        self._kept.pop(before, None)
        self._kept[key], self._key_of[image] = pair, key
        if len(self._kept) > 2 * self._size + _SPARE:
            self._forget_the_rest()

    def in_order(self) -> list[Ranked]:
        """Return the first images, the very first first."""
        self._forget_the_rest()
        return list(self._kept.values())

    def _forget_the_rest(self) -> None:
        keys = sorted(self._kept)[: self._size]
        self._kept = {key: self._kept[key] for key in keys}
        self._key_of = {_identity(pair[0]): key for key, pair in self._kept.items()}
        if len(keys) == self._size and keys:
            self._last = keys[-1]


def _policy_picks(ranked: list[Ranked], empty: list[Ranked], slots: int) -> list[Ranked]:
    kept = {_identity(prediction) for prediction, _ in empty}
    others = [pair for pair in ranked if _identity(pair[0]) not in kept]
    # Stable: among equal priorities the order of the lots stays.
    return sorted(others[: slots - len(empty)] + empty, key=lambda pair: -pair[1])


def _slots_for_empty(policy: ReviewPolicy, slots: int) -> int:
    """Return how many images without findings get a review although no sum of doubts would rank them."""
    return math.floor(slots * policy.empty_share + 0.5) if isinstance(policy, EmptyAwarePolicy) else 0


def _identity(prediction: Prediction) -> tuple[str, ...]:
    """What predictions about one image share: its content or, if that is unknown, its version."""
    return (prediction.sha256,) if prediction.sha256 else (prediction.image, prediction.etag)
