"""Choosing images: never above the limit, whatever their order, with an audit and a look at empty ones."""

from __future__ import annotations

import dataclasses
import weakref
from collections import Counter
from dataclasses import fields
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.detection import Prediction
from secondlook.failures.exceptions import ReviewPolicyError
from secondlook.names import digest
from secondlook.review import resolve_policy, select, selection
from secondlook.review.policies import priority_of
from tests.support.ledgers import NIGHT, make_prediction

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


def all_at_once(night, policy, limit, audit_share, seed):
    """The rule itself, on a night that is held in memory: (image, reason) of what is chosen."""
    lot = {p.image: digest("select", seed, NIGHT, p.image, p.etag, length=32) for p in night}
    audit = {p.image: digest("audit", seed, NIGHT, p.image, p.etag, length=32) for p in night}
    priorities = {p.image: priority_of(policy, p) for p in night}
    wanted = sorted(
        (p for p in night if priorities[p.image] is not None),
        key=lambda p: (-priorities[p.image], lot[p.image]),
    )
    audits = int(limit * audit_share + 0.5)
    slots = limit - audits
    empty = [p for p in wanted if hasattr(policy, "empty_share") and policy.finds_nothing(p)]
    empty = empty[: int(slots * policy.empty_share + 0.5)] if empty else []
    picked = [*[p for p in wanted if p not in empty][: slots - len(empty)], *empty]
    picked.sort(key=lambda p: -priorities[p.image])
    rest = sorted((p for p in night if p not in picked), key=lambda p: audit[p.image])
    return [(p.image, "policy") for p in picked] + [(p.image, "audit") for p in rest[:audits]]


@given(nights(), policies, st.integers(0, 30), shares, st.integers(0, 5))
def test_a_stream_is_chosen_from_as_if_the_night_were_held_in_memory(night, policy, limit, share, seed):
    with mock.patch.object(selection, "_SPARE", 0):
        chosen = select(iter(night), policy, limit, share, seed, NIGHT)
    found = [(s.prediction.image, s.reason) for s in chosen]
    assert found == all_at_once(night, policy, limit, share, seed)


class Remembered(Prediction):
    """A prediction of which can be told whether it is still held."""


@pytest.mark.parametrize("policy", ["top_score", "uncertainty_sum", "random"])
def test_what_is_kept_of_a_night_does_not_grow_with_it(policy):
    held = weakref.WeakSet()

    def most_held(images):
        most = 0

        def night():
            nonlocal most
            for number in range(images):
                one = make_prediction(f"{number:05d}.jpg", *[(number % 97) / 200 + 0.01] * 2)
                one = Remembered(*(getattr(one, field.name) for field in fields(one)))
                held.add(one)
                most = max(most, len(held))
                yield one

        assert len(select(night(), resolve_policy(policy), 10, 0.2, 0, NIGHT)) == 10
        return most

    # Three rankings, each of which keeps twice what it needs and some to spare.
    assert most_held(5000) <= 3 * (2 * 10 + selection._SPARE + 1)


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
    night = [make_prediction("a.jpg", 0.4), make_prediction("a.jpg", 0.4, etag="e2", content=2)]
    assert len(select(night, resolve_policy("top_score"), 10, 0, 0, NIGHT)) == 2
    # As long as the bytes were not read, the version is all there is to tell.
    unread = [dataclasses.replace(prediction, sha256=None) for prediction in night]
    assert len(select(unread, resolve_policy("top_score"), 10, 0, 0, NIGHT)) == 2


@given(nights(), policies, st.integers(0, 30), shares, st.data())
def test_people_see_copies_of_an_image_once_and_all_that_the_limit_allows(night, policy, limit, share, data):
    """As if all but one copy of each image were not there."""
    copies = data.draw(st.lists(st.sampled_from(night), max_size=60)) if night else []
    copied = [
        dataclasses.replace(p, image=f"{p.image}-{number}", etag=f"copy-{number}")
        for number, p in enumerate(copies)
    ]
    chosen = select([*night, *copied], policy, limit, share, 0, NIGHT)
    contents = {selection.prediction.sha256 for selection in chosen}
    assert len(contents) == len(chosen)
    assert len(chosen) == len(select(night, policy, limit, share, 0, NIGHT))
    shuffled = data.draw(st.permutations([*night, *copied]))
    assert select(shuffled, policy, limit, share, 0, NIGHT) == chosen


@pytest.mark.parametrize(("limit", "share"), [(-1, 0.1), (5, -0.1), (5, 1.1), (5, float("nan"))])
def test_senseless_limits_are_refused(limit, share):
    with pytest.raises(ReviewPolicyError, match=r"review limit|audit share"):
        select([], resolve_policy("random"), limit, share, 0, NIGHT)
