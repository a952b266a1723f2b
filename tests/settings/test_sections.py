"""A section of the settings as an argument: a template, the section itself, or its keys."""

from __future__ import annotations

import pytest

from secondlook.operators.base import ArgumentError, SecondLookOperator
from secondlook.settings import ReviewSettings, ServingSettings


@pytest.fixture
def operator():
    return SecondLookOperator(task_id="launch", bucket="bucket", prefix="")


def test_a_template_waits_for_its_rendering(operator):
    assert (
        operator.check_section("review", "{{ settings.review }}", ReviewSettings) == "{{ settings.review }}"
    )


def test_a_section_and_its_keys_come_to_the_same(operator):
    section = ReviewSettings(limit=7)

    assert operator.check_section("review", section, ReviewSettings) is section
    assert operator.check_section("review", {"limit": 7}, ReviewSettings) == section


def test_a_wrong_key_is_named_with_task_and_argument(operator):
    with pytest.raises(
        ArgumentError, match=r"^Task launch: review cannot be used: limits is not a known setting"
    ):
        operator.check_section("review", {"limits": 7}, ReviewSettings)


def test_a_section_that_became_text_tells_what_the_dag_lacks(operator):
    with pytest.raises(ArgumentError, match="render_template_as_native_obj=True"):
        operator.check_section("review", "policy='top_score' limit=7", ReviewSettings)


def test_a_section_of_another_kind_is_refused_while_the_dag_is_parsed(operator):
    with pytest.raises(ArgumentError, match="review must be a ReviewSettings, not a ServingSettings"):
        operator.check_section("review", ServingSettings(), ReviewSettings)
