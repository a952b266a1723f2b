"""The paired bootstrap tells a better model from an equal one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondlook.detection import ImageMatches, mean_average_precision, paired_bootstrap
from secondlook.detection.average_precision import ClassCurves
from secondlook.failures.exceptions import EvaluationError


def simulated(
    images: int, recall: float, seed: int, *, noise: int = 3, classes: int = 3
) -> list[ImageMatches]:
    """A detector that finds each of about five objects an image with probability ``recall``."""
    random = np.random.default_rng(seed)
    matches = []
    for index in range(images):
        truths = random.integers(0, classes, size=random.integers(1, 9)).tolist()
        rows = [(c, float(random.beta(4, 2)), True) for c in truths if random.random() < recall]
        rows += [(int(random.integers(0, classes)), float(random.beta(1, 4)), False) for _ in range(noise)]
        rows.sort(key=lambda row: (-row[1], row[0]))
        matches.append(ImageMatches(f"s3://b/{index:05d}", tuple(rows), tuple(sorted(truths))))
    return matches


def with_fewer_hits(matches: list[ImageMatches], share: float, seed: int) -> list[ImageMatches]:
    """The same detector, having overlooked ``share`` of what it found."""
    random = np.random.default_rng(seed)
    return [
        ImageMatches(m.image, tuple(r for r in m.rows if not r[2] or random.random() >= share), m.truths)
        for m in matches
    ]


def test_identical_models_differ_by_exactly_nothing():
    model = simulated(60, 0.7, seed=1)
    result = paired_bootstrap(model, list(reversed(model)), 3)
    assert (result.pooled.delta, result.pooled.low, result.pooled.high) == (0.0, 0.0, 0.0)


def test_model_that_finds_more_has_an_interval_above_zero_and_the_mirror_below():
    better = simulated(200, 0.8, seed=2)
    worse = with_fewer_hits(better, 0.1, seed=3)
    result = paired_bootstrap(better, worse, 3).pooled
    assert 0 < result.low < result.delta < result.high
    mirror = paired_bootstrap(worse, better, 3).pooled
    assert (mirror.low, mirror.high) == pytest.approx((-result.high, -result.low))


def test_slices_are_judged_apart_and_resampled_within_themselves():
    champion = simulated(80, 0.6, seed=4)
    challenger = [*champion[:40], *simulated(80, 0.95, seed=4)[40:]]
    # What is there stays the same, only what was found differs.
    challenger = [
        ImageMatches(c.image, n.rows, c.truths) if n.truths == c.truths else c
        for c, n in zip(champion, challenger, strict=True)
    ]
    slices = {m.image: "clean" if i < 40 else "drifted" for i, m in enumerate(champion)}
    result = paired_bootstrap(challenger, champion, 3, slices=slices)
    assert list(result.slices) == ["clean", "drifted"]
    assert result.slices["clean"].delta == result.slices["clean"].low == result.slices["clean"].high == 0.0
    assert result.slices["clean"].images == result.slices["drifted"].images == 40
    assert result.pooled.images == 80


def test_same_seed_same_interval_whatever_the_order():
    first, second = simulated(50, 0.7, seed=5), with_fewer_hits(simulated(50, 0.7, seed=5), 0.3, seed=6)
    result = paired_bootstrap(first, second, 3, samples=200, seed=9)
    assert paired_bootstrap(first[::-1], second, 3, samples=200, seed=9) == result
    assert paired_bootstrap(first, second, 3, samples=200, seed=10) != result


def test_interval_covers_the_truth_about_as_often_as_it_says():
    # Both detectors are drawn from the same distribution, so the true difference is nought. The percentile
    # interval is a little narrow for few images: it held 93 % of 400 rounds of 60 images.
    rounds, covered, promoted = 150, 0, 0
    for seed in range(rounds):
        base = simulated(60, 1.0, seed=5000 + seed, classes=1)
        first = with_fewer_hits(base, 0.3, seed=100_000 + seed)
        second = with_fewer_hits(base, 0.3, seed=200_000 + seed)
        interval = paired_bootstrap(first, second, 1, samples=200).pooled
        covered += interval.low <= 0 <= interval.high
        promoted += interval.low > 0
    assert 0.90 <= covered / rounds <= 0.99
    assert promoted / rounds <= 0.05


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_weighting_an_image_twice_is_having_it_twice(seed, images):
    model = simulated(images, 0.7, seed=seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=images)
    copies = [
        # A copy ranks right beside its original, as a weight does.
        ImageMatches(f"{m.image}#{copy}", m.rows, m.truths)
        for m, weight in zip(model, weights, strict=True)
        for copy in range(weight)
    ]
    expected = mean_average_precision(copies, 3).per_class if copies else (None, None, None)
    curves = ClassCurves.build(model, 3)
    for curve, wanted in zip(curves, expected, strict=True):
        value = curve.average_precision(weights[None, :].astype(float))[0]
        # Within a run of copies of one hit precision only rises, so its last copy sets the envelope.
        assert np.isnan(value) if wanted is None else value == pytest.approx(wanted, abs=1e-9)


def test_models_must_answer_for_the_same_images_and_truth():
    model = simulated(3, 0.7, seed=7)
    with pytest.raises(EvaluationError, match="s3://b/00002"):
        paired_bootstrap(model, model[:2], 3)
    with pytest.raises(EvaluationError, match="s3://b/00000 twice"):
        paired_bootstrap([*model, model[0]], model, 3)
    other = [ImageMatches(m.image, m.rows, (*m.truths, 2)) for m in model]
    with pytest.raises(EvaluationError, match="different truth"):
        paired_bootstrap(model, other, 3)


def test_images_without_any_object_give_no_interval():
    empty = [ImageMatches("s3://b/1", ((0, 0.4, False),), ())]
    result = paired_bootstrap(empty, empty, 1).pooled
    assert (result.images, result.delta, result.low, result.high) == (1, None, None, None)


def test_holdout_of_five_hundred_busy_images_is_quick():
    # 140 rows an image are what an under-trained detector returns; the suite's time limit is the assertion.
    first = simulated(500, 0.8, seed=8, noise=135)
    second = with_fewer_hits(first, 0.2, seed=9)
    slices = {m.image: "clean" if i % 2 else "drifted" for i, m in enumerate(first)}
    assert paired_bootstrap(first, second, 3, slices=slices).pooled.low > 0
