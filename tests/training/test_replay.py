"""New answers are mixed with old images; validation images stay apart for good."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.failures.exceptions import ReplayError
from secondlook.training import control_mix, mix_replay, split_validation
from tests.support.manifests import make_line

OLD = [make_line(f"old-{n:03d}.jpg", 0, 0, *([1] if n % 10 == 0 else [])) for n in range(100)]
NEW = [make_line(f"new-{n:03d}.jpg", 0, 2) for n in range(20)]

some_new = st.lists(st.sampled_from(NEW), max_size=20)
some_old = st.lists(st.sampled_from(OLD), min_size=1, max_size=60)


@given(some_new, some_old, st.floats(0.01, 3), st.integers(0, 9), st.integers(0, 5), st.randoms())
def test_mix_holds_all_new_images_once_and_does_not_depend_on_order(new, old, ratio, seed, minimum, random):
    mix = mix_replay(new, old, ratio, seed, minimum)
    images = [line.image for line in mix.lines]
    assert len(set(images)) == len(images) == mix.new + mix.replayed
    assert {line.image for line in new} <= set(images)
    assert mix.new == len({line.image for line in new})
    assert mix.replayed >= (1 if new else 0)
    random.shuffle(new)
    random.shuffle(old)
    assert mix_replay(new, old, ratio, seed, minimum) == mix


def test_half_of_the_mix_is_old_by_default():
    mix = mix_replay(NEW, OLD, min_boxes_per_class=0)
    assert (mix.new, mix.replayed) == (20, 20)
    assert mix != mix_replay(NEW, OLD, seed=1, min_boxes_per_class=0)


def test_rare_class_is_replayed_even_when_chance_would_miss_it():
    replayed = [line for line in mix_replay(NEW, OLD, 0.5, 0, 5).lines if "old" in line.image]
    boxes = Counter(a.class_id for line in replayed for a in line.annotations)
    assert boxes[1] == 5
    assert len(replayed) == 10
    # Ten images hold the rare class; asking for more takes them all, and more images than the ratio says.
    plenty = mix_replay(NEW[:2], OLD, 0.5, 0, 50)
    assert Counter(a.class_id for line in plenty.lines for a in line.annotations)[1] == 10
    assert plenty.replayed >= 10


def test_new_answer_about_an_old_image_replaces_the_old_one():
    again = make_line("old-000.jpg", 2)
    mix = mix_replay([again], OLD[:3], 3.0)
    assert [line for line in mix.lines if line.image == again.image] == [again]
    assert mix.replayed == 2


def test_training_on_new_images_alone_happens_only_on_purpose():
    assert mix_replay(NEW, OLD, 0).replayed == 0
    with pytest.raises(ReplayError, match="makes the model forget"):
        mix_replay(NEW, [])
    with pytest.raises(ReplayError, match="ratio is -1"):
        mix_replay(NEW, OLD, -1)


def test_control_trains_as_long_on_old_images_only():
    control = control_mix(OLD[:30], 100, seed=3)
    counts = Counter(line.image for line in control)
    assert len(control) == 100
    assert len(counts) == 30
    assert set(counts.values()) == {3, 4}
    assert control == control_mix(OLD[:30][::-1], 100, seed=3)
    with pytest.raises(ReplayError, match="control arm off"):
        control_mix([], 5)


def test_an_image_stays_on_its_side_of_the_split_when_others_come():
    train, validation = split_validation(OLD, 0.2)
    assert sorted([*train, *validation], key=lambda line: line.image) == OLD
    assert 8 <= len(validation) <= 32
    bigger_train, bigger_validation = split_validation([*NEW, *OLD], 0.2)
    assert set(validation) <= set(bigger_validation)
    assert set(train) <= set(bigger_train)


@given(st.lists(st.sampled_from(OLD), min_size=2, max_size=6, unique=True), st.floats(0.01, 0.99))
def test_neither_side_of_the_split_stays_empty(lines, share):
    train, validation = split_validation(lines, share)
    assert train
    assert validation


def test_edges_of_the_split():
    assert split_validation(OLD, 0) == (tuple(OLD), ())
    assert split_validation(OLD, 1) == ((), tuple(OLD))
    assert split_validation(OLD[:1], 0.5)[0] or split_validation(OLD[:1], 0.5)[1]
    assert split_validation([], 0.5) == ((), ())
    with pytest.raises(ReplayError, match="between 0 and 1"):
        split_validation(OLD, 20)
