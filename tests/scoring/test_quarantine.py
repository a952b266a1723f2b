"""Whose fault it is that images could not be scored, and a control image that tells."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from secondlook.scoring import Failure, FailureRule, shown
from secondlook.scoring.control import CONTROL_SIZE, control_image


def failures(**ways: int) -> list[Failure]:
    return [
        Failure(f"s3://b/{way}-{n}.jpg", way, "as asked") for way, count in ways.items() for n in range(count)
    ]


def works() -> bool:
    return True


def works_not() -> bool:
    return False


@pytest.mark.parametrize(
    ("failed", "asked", "blamed"),
    [
        ({"form": 2}, 10, False),
        ({"form": 3}, 15, False),
        ({"form": 3}, 14, True),
        ({"form": 101}, 500, True),
        ({"form": 100}, 500, False),
        ({"form": 2}, 3, False),
        ({"form": 2, "status": 2}, 5, False),
        ({"form": 1, "status": 3}, 5, True),
    ],
)
def test_more_than_the_share_and_at_least_three_of_one_kind(failed, asked, blamed):
    assert (FailureRule().blame(failures(**failed), asked, works) is not None) is blamed


def test_a_part_without_an_answer_is_the_models_if_it_answers_about_nothing_else_either():
    for count in (1, 2):
        assert FailureRule().blame(failures(form=count), count, works) is None
        blame = FailureRule(share=1).blame(failures(form=count), count, works_not)
        sentence = blame.sentence(part="part 0", model="The model m", remedy="do something")
        assert f"{count} of the {count} images" in sentence
        assert "it answers about no other image either" in sentence


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 30)), st.integers(0, 60), st.floats(0, 1))
def test_a_larger_share_never_blames_more_and_without_failures_nothing_is_blamed(ways, answered, share):
    failed = failures(**ways)
    asked = len(failed) + answered
    blame = FailureRule(share).blame(failed, asked, works)
    if blame is None:
        assert FailureRule(min(1, share + 0.1)).blame(failed, asked, works) is None
    else:
        assert max(3, share * asked) <= blame.failed == max(ways.values())
    if answered:
        assert (FailureRule(share).blame(failed, asked, works_not) is None) is (blame is None)


@given(st.one_of(st.text(), st.binary()))
def test_what_a_model_says_is_one_printable_line_of_a_sensible_length(said):
    line = shown(said)
    assert 0 < len(line) <= 160
    assert line.isprintable()


def test_the_control_image_is_the_same_each_time_and_a_jpeg():
    data = control_image()
    control_image.cache_clear()
    assert control_image() == data
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, image.size, image.mode) == ("JPEG", CONTROL_SIZE, "RGB")
    assert len(data) < 64 * 1024
