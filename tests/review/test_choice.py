"""What a ledger was made with, as a text beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.review import ReviewChoice
from secondlook.review.choice import MOST_CHARACTERS

CHOICE = ReviewChoice("top_score", 20, 0.1, "second-look-1", 200, {"threshold": 0.4})


@given(
    st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.floats(0, 1), st.integers()), max_size=9)
)
def test_it_reads_what_it_wrote_whatever_the_policy_is_called(policy: str, params: dict[str, object]) -> None:
    choice = replace(CHOICE, review_policy=policy, policy_params=params)
    text = choice.to_text()
    # What an HTTP header carries unchanged.
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    read = ReviewChoice.from_text(text)
    assert read is not None
    assert choice.same_as(read)
    assert choice.differences(read) == []


def test_parameters_that_are_too_long_to_keep_are_compared_all_the_same() -> None:
    long = replace(CHOICE, review_policy="mine", policy_params={"classes": "x" * 5000})
    other = replace(long, policy_params={"classes": "x" * 4999 + "y"})
    assert len(long.to_text()) <= MOST_CHARACTERS
    read = ReviewChoice.from_text(long.to_text())
    assert read is not None
    assert long.same_as(read)
    assert long.differences(read) == []
    assert len(other.differences(read)) == 1


def test_it_says_what_is_different_with_both_values() -> None:
    now = ReviewChoice("random", 60, 0.25, "second-look-1", 240)
    assert now.differences(CHOICE) == [
        "review_policy top_score, not random",
        'policy_params {"threshold": 0.4}, not {}',
        "review_limit 20, not 60",
        "audit_share 0.1, not 0.25",
        "200 scored images, not 240",
    ]
    # A new champion is no other wish, and has scored for itself.
    assert replace(CHOICE, model="second-look-2", images=7).differences(CHOICE) == []
    assert not replace(CHOICE, model="second-look-2").same_as(CHOICE)


@pytest.mark.parametrize("text", ["", "{}", "[]", "top_score", '{"policy": "x"}', "null"])
def test_what_somebody_else_wrote_says_nothing(text: str) -> None:
    assert ReviewChoice.from_text(text) is None
