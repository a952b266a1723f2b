"""Choosing images: never above the limit, whatever their order, with an audit and a look at empty ones."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.errors import ReviewPolicyError
from secondlook.review import resolve_policy, select
from tests.review.conftest import NIGHT, make_prediction

scores = st.lists(st.floats(0.01, 1).map(lambda s: round(s, 2)), max_size=4)


@st.composite
def nights(draw):
    return [make_prediction(f"{index:03d}.jpg", *draw(scores)) for index in range(draw(st.integers(0, 25)))]


policies = st.sampled_from(["top_score", "uncertainty_sum", "random"]).map(resolve_policy)
shares = st.floats(0, 1)


@given(nights(), policies, st.integers(0, 30), shares, st.integers(0, 5), st.randoms())
def test_limit_holds_and_order_does_not_matter(night, policy, limit, audit_share, seed, random):
    chosen = select(night, policy, limit, audit_share, seed, NIGHT)
    assert len(chosen) <= limit
    assert [s.rank for s in chosen] == list(range(1, len(chosen) + 1))
    assert len({s.prediction.image for s in chosen}) == len(chosen)
    shuffled = [*night, *night[:3]]
    random.shuffle(shuffled)
    assert select(shuffled, policy, limit, audit_share, seed, NIGHT) == chosen


@given(nights(), policies, st.integers(0, 30), shares)
def test_audits_come_last_and_take_no_more_than_their_share(night, policy, limit, audit_share):
    chosen = select(night, policy, limit, audit_share, 0, NIGHT)
    reasons = [s.reason for s in chosen]
    assert reasons == sorted(reasons, key=["policy", "audit"].index)
    assert reasons.count("audit") <= limit * audit_share + 0.5
    ranked = [s.priority for s in chosen if s.reason == "policy"]
    assert ranked == sorted(ranked, reverse=True)


def test_best_ranked_images_are_asked_first():
    night = [make_prediction(f"{n}.jpg", *[0.5] * n) for n in range(1, 8)]
    chosen = select(night, resolve_policy("uncertainty_sum"), 3, 0, 0, NIGHT)
    assert [s.prediction.image[-5:] for s in chosen] == ["7.jpg", "6.jpg", "5.jpg"]
    assert [s.priority for s in chosen] == [1.75, 1.5, 1.25]


def test_audit_looks_at_images_the_policy_is_sure_of():
    night = [make_prediction(f"{n:03d}.jpg", 0.99) for n in range(50)]
    chosen = select(night, resolve_policy("top_score"), 20, 0.25, 0, NIGHT)
    assert [s.reason for s in chosen] == ["audit"] * 5
    other_night = select(night, resolve_policy("top_score"), 20, 0.25, 0, "2026-11-23")
    assert {s.prediction.image for s in other_night} != {s.prediction.image for s in chosen}


def test_images_without_findings_get_their_share_although_they_sum_to_nothing():
    night = [make_prediction(f"busy-{n:03d}.jpg", 0.5, 0.4) for n in range(60)]
    night += [make_prediction(f"empty-{n:03d}.jpg", *([0.02] if n % 2 else [])) for n in range(60)]
    chosen = select(night, resolve_policy("uncertainty_sum"), 40, 0, 0, NIGHT)
    kinds = Counter(s.prediction.image.rsplit("/", 1)[1].split("-")[0] for s in chosen)
    assert kinds == {"busy": 36, "empty": 4}
    none_kept = select(night, resolve_policy("uncertainty_sum", empty_share=0), 40, 0, 0, NIGHT)
    assert not [s for s in none_kept if "empty" in s.prediction.image]


def test_spare_reviews_go_to_whatever_is_left():
    night = [make_prediction("busy.jpg", 0.5), *(make_prediction(f"{n}.jpg") for n in range(3))]
    assert len(select(night, resolve_policy("uncertainty_sum"), 10, 0.1, 0, NIGHT)) == 4


def test_random_policy_draws_every_image_about_equally_often():
    night = [make_prediction(f"{n:02d}.jpg", n / 20 + 0.01) for n in range(20)]
    drawn = Counter(
        s.prediction.image
        for seed in range(400)
        for s in select(night, resolve_policy("random"), 5, 0, seed, NIGHT)
    )
    assert len(drawn) == 20
    assert all(60 <= count <= 140 for count in drawn.values())


def test_a_new_version_of_an_image_is_another_image():
    night = [make_prediction("a.jpg", 0.4, etag="e1"), make_prediction("a.jpg", 0.4, etag="e2")]
    assert len(select(night, resolve_policy("top_score"), 10, 0, 0, NIGHT)) == 2


@pytest.mark.parametrize(("limit", "share"), [(-1, 0.1), (5, -0.1), (5, 1.1), (5, float("nan"))])
def test_senseless_limits_are_refused(limit, share):
    with pytest.raises(ReviewPolicyError, match=r"review limit|audit share"):
        select([], resolve_policy("random"), limit, share, 0, NIGHT)
