"""What a ledger was selected by, as a text with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.review import SelectionSettings
from secondlook.review.selection_settings import MOST_CHARACTERS


def made(**changed: Any) -> SelectionSettings:
    values: dict[str, Any] = {
        "review_policy": "top_score",
        "review_limit": 20,
        "audit_share": 0.1,
        "model": "second-look-1",
        "images": 200,
        "policy_params": {"threshold": 0.4},
    }
    return SelectionSettings(**{**values, **changed})


SETTINGS = made()


@given(
    st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.floats(0, 1), st.integers()), max_size=9)
)
def test_it_reads_what_it_wrote_whatever_the_policy_is_called(policy: str, params: dict[str, object]) -> None:
    settings = made(review_policy=policy, policy_params=params)
    text = settings.to_text()
    # What an HTTP header carries unchanged.
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    read = SelectionSettings.from_text(text)
    assert read is not None
    assert settings == read
    assert settings.differences(read) == []


def test_parameters_that_are_too_long_to_keep_are_compared_all_the_same() -> None:
    long = made(review_policy="mine", policy_params={"classes": "x" * 5000})
    other = made(review_policy="mine", policy_params={"classes": "x" * 4999 + "y"})
    assert len(long.to_text()) <= MOST_CHARACTERS
    read = SelectionSettings.from_text(long.to_text())
    assert read is not None
    assert long == read
    assert long.differences(read) == []
    assert len(other.differences(read)) == 1


def test_it_says_what_is_different_with_both_values() -> None:
    now = made(review_policy="random", policy_params={}, review_limit=60, audit_share=0.25, images=240)
    assert now.differences(SETTINGS) == [
        "review_policy top_score, not random",
        'policy_params {"threshold": 0.4}, not {}',
        "review_limit 20, not 60",
        "audit_share 0.1, not 0.25",
        "200 scored images, not 240",
    ]
    # A new champion is no change of settings, and has scored for itself.
    assert made(model="second-look-2", images=7).differences(SETTINGS) == []
    assert made(model="second-look-2") != SETTINGS


@pytest.mark.parametrize("text", ["", "{}", "[]", "top_score", '{"policy": "x"}', "null"])
def test_what_others_wrote_says_nothing(text: str) -> None:
    assert SelectionSettings.from_text(text) is None
