"""Choosing the night's images for review: the policy's picks, a random audit, never more than the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondlook.errors import ReviewPolicyError
from secondlook.names import digest
from secondlook.review.policies import EmptyAwarePolicy, ReviewPolicy, priority_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.detection import Prediction

Reason = Literal["policy", "audit"]


@dataclass(frozen=True, slots=True)
class Selection:
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
) -> list[Selection]:
    """Choose at most ``limit`` images, best-ranked first, audits last.

    The choice depends on the images, not on their order: equal priorities are decided by a hash of seed,
    night and image. Scores under drift deserve no trust, so ``audit_share`` of the limit goes to images
    that the policy did not pick, drawn by lot.

    Parameters
    ----------
    predictions
        All scored images of the night; a repeated image version counts once.
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
    images = sorted(
        {(p.image, p.etag): p for p in predictions}.values(),
        key=lambda p: (digest("select", seed, night, p.image, p.etag, length=32), p.image, p.etag),
    )
    audit_slots = math.floor(limit * audit_share + 0.5)
    picked = _policy_picks(images, policy, limit - audit_slots)
    taken = {(p.image, p.etag) for p, _ in picked}
    rest = [(p, priority_of(policy, p) or 0.0) for p in _audit_order(images, seed, night)]
    audited = [(p, priority) for p, priority in rest if (p.image, p.etag) not in taken][:audit_slots]
    chosen: list[tuple[Prediction, float, Reason]] = [(p, priority, "policy") for p, priority in picked]
    chosen += [(p, priority, "audit") for p, priority in audited]
    return [
        Selection(prediction, reason, priority, rank)
        for rank, (prediction, priority, reason) in enumerate(chosen, start=1)
    ]


def _policy_picks(
    images: list[Prediction], policy: ReviewPolicy, slots: int
) -> list[tuple[Prediction, float]]:
    wanted = [(p, priority) for p in images if (priority := priority_of(policy, p)) is not None]
    # Stable: among equal priorities the hash order of ``images`` stays.
    ranked = sorted(wanted, key=lambda pair: -pair[1])
    kept = _kept_for_empty(ranked, policy, slots)
    kept_ids = {(p.image, p.etag) for p, _ in kept}
    others = [pair for pair in ranked if (pair[0].image, pair[0].etag) not in kept_ids]
    return sorted(others[: slots - len(kept)] + kept, key=lambda pair: -pair[1])


def _kept_for_empty(
    ranked: list[tuple[Prediction, float]], policy: ReviewPolicy, slots: int
) -> list[tuple[Prediction, float]]:
    """Return the images without findings that get a review although no sum of doubts would rank them."""
    if not isinstance(policy, EmptyAwarePolicy):
        return []
    empty = [pair for pair in ranked if policy.finds_nothing(pair[0])]
    return empty[: math.floor(slots * policy.empty_share + 0.5)]


def _audit_order(images: list[Prediction], seed: int, night: str) -> list[Prediction]:
    return sorted(images, key=lambda p: (digest("audit", seed, night, p.image, p.etag, length=32), p.image))
