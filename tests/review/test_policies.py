"""Review policies by name and by import path."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.failures.exceptions import ReviewPolicyError
from secondlook.review import ScoredNight, resolve_policy, select
from secondlook.review.policies import priority_of
from tests.support.ledgers import make_prediction


class MostDetections:
    """A policy of one's own, as a project would keep it in its package."""

    name = "most_detections"

    def __init__(self, at_least: int = 1) -> None:
        self.at_least = at_least

    def priority(self, prediction):
        count = len(prediction.detections)
        return float(count) if count >= self.at_least else None


class Broken(MostDetections):
    def priority(self, prediction):
        return math.nan


class NoPolicy:
    pass


class Nameless:
    def priority(self, prediction):
        return 1.0


def test_published_rule_asks_below_the_threshold_and_takes_no_detection_for_zero():
    policy = resolve_policy("top_score")
    assert policy.priority(make_prediction("sure", 0.9, 0.1)) is None
    assert policy.priority(make_prediction("exactly", 0.5)) is None
    assert policy.priority(make_prediction("unsure", 0.4, 0.3)) == pytest.approx(0.6)
    assert policy.priority(make_prediction("empty")) == 1.0
    assert resolve_policy("top_score", threshold=0.95).priority(make_prediction("sure", 0.9)) is not None


def test_published_rule_is_counted_beside_any_other():
    night = ScoredNight([make_prediction("a", 0.9), make_prediction("b", 0.49), make_prediction("c")])
    assert next(iter(night)).image.endswith("a")
    night.read_to_the_end()
    assert (night.images, night.published_rule) == (3, 2)


def test_uncertainty_is_summed_over_all_detections_above_the_floor():
    policy = resolve_policy("uncertainty_sum")
    assert policy.priority(make_prediction("a", 0.5, 0.9, 0.04)) == pytest.approx(0.25 + 0.09)
    assert policy.priority(make_prediction("empty")) == 0.0
    entropy = resolve_policy("uncertainty_sum", kind="entropy", floor=0.0)
    assert entropy.priority(make_prediction("a", 0.5, 1.0)) == pytest.approx(math.log(2))


@given(st.lists(st.floats(0, 1), max_size=6))
def test_uncertainty_is_never_negative_and_sure_detections_add_none(scores):
    for kind in ("gini", "entropy"):
        policy = resolve_policy("uncertainty_sum", kind=kind, floor=0.0)
        value = policy.priority(make_prediction("a", *scores))
        assert value >= 0
        assert policy.priority(make_prediction("a", *scores, 1.0)) == pytest.approx(value)


def test_own_policy_is_named_by_its_import_path():
    policy = resolve_policy("tests.review.test_policies:MostDetections", at_least=2)
    chosen = select(
        [make_prediction("a", 0.9), make_prediction("b", 0.9, 0.8)], policy, 5, 0, 0, "2026-11-22"
    )
    assert [s.prediction.image[-1] for s in chosen] == ["b"]


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("lowest", {}, "choose one of random, top_score, uncertainty_sum"),
        ("top_score", {"treshold": 0.5}, "refuses its parameters"),
        ("top_score", {"threshold": 50}, "between 0 and 1"),
        ("top_score", {"threshold": "0.5"}, "between 0 and 1"),
        ("uncertainty_sum", {"kind": "margin"}, "choose one of entropy, gini"),
        ("uncertainty_sum", {"floor": -1}, "floor is -1"),
        ("no_such_module_here:Policy", {}, "cannot be imported"),
        (":Policy", {}, "cannot be imported"),
        ("tests.review.test_policies:Missing", {}, "has no class 'Missing'"),
        ("tests.review.test_policies:NoPolicy", {}, "is no review policy"),
        ("tests.review.test_policies:Nameless", {}, "is no review policy"),
        # A path that a person who may start runs could abuse is refused before anything of it is called.
        ("os:system", {"command": "exit 1"}, "has no class 'system'"),
        ("subprocess:Popen", {"args": ["false"]}, "is no review policy"),
    ],
)
def test_bad_policy_is_refused_in_a_sentence(name, params, sentence):
    with pytest.raises(ReviewPolicyError, match=sentence):
        resolve_policy(name, **params)


def test_policy_that_returns_no_number_is_named_with_the_image():
    policy = resolve_policy("tests.review.test_policies:Broken")
    with pytest.raises(ReviewPolicyError, match=r"most_detections gave s3://b/.*a\.jpg the priority nan"):
        priority_of(policy, make_prediction("a.jpg", 0.5))
