"""Choosing the night's images for review: the policy's picks, a random audit, never more than the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from secondlook.errors import ReviewPolicyError
from secondlook.names import digest
from secondlook.review.policies import EmptyAwarePolicy, ReviewPolicy, priority_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.detection import Prediction

Reason = Literal["policy", "audit"]
Ranked: TypeAlias = "tuple[Prediction, float]"


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
    priorities = [priority_of(policy, p) for p in images]
    wanted = [(p, priority) for p, priority in zip(images, priorities, strict=True) if priority is not None]
    picked = _policy_picks(wanted, policy, limit - audit_slots)
    taken = {_version(p) for p, _ in picked}
    rest = [(p, v or 0.0) for p, v in zip(images, priorities, strict=True) if _version(p) not in taken]
    audited = sorted(rest, key=lambda pair: digest("audit", seed, night, *_version(pair[0]), length=32))
    chosen: list[tuple[Ranked, Reason]] = [(pair, "policy") for pair in picked]
    chosen += [(pair, "audit") for pair in audited[:audit_slots]]
    return [
        Selection(prediction, reason, priority, rank)
        for rank, ((prediction, priority), reason) in enumerate(chosen, start=1)
    ]


def _policy_picks(wanted: list[Ranked], policy: ReviewPolicy, slots: int) -> list[Ranked]:
    # Stable: among equal priorities the hash order of the images stays.
    ranked = sorted(wanted, key=lambda pair: -pair[1])
    kept = _kept_for_empty(ranked, policy, slots)
    kept_versions = {_version(p) for p, _ in kept}
    others = [pair for pair in ranked if _version(pair[0]) not in kept_versions]
    return sorted(others[: slots - len(kept)] + kept, key=lambda pair: -pair[1])


def _kept_for_empty(ranked: list[Ranked], policy: ReviewPolicy, slots: int) -> list[Ranked]:
    """Return the images without findings that get a review although no sum of doubts would rank them."""
    if not isinstance(policy, EmptyAwarePolicy):
        return []
    empty = [pair for pair in ranked if policy.finds_nothing(pair[0])]
    return empty[: math.floor(slots * policy.empty_share + 0.5)]


def _version(prediction: Prediction) -> tuple[str, str]:
    return prediction.image, prediction.etag
