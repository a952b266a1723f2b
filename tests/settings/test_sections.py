"""A section of the settings as an argument: a template, the section itself, or its keys."""

from __future__ import annotations

import sys

import pytest

from secondlook.failures.exceptions import SettingsError
from secondlook.operators.base import ArgumentError, SecondLookOperator
from secondlook.review import resolve_policy
from secondlook.settings import ReviewSettings, ServingSettings
from secondlook.settings.types import BUILT_IN_POLICIES


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


MINE = "tests.review.test_policies:MostDetections"


@pytest.mark.parametrize("path", [MINE, "antigravity:Policy", "os:system", ":", "x:y:z"])
def test_a_run_names_no_module_that_the_settings_do_not_list(path):
    with pytest.raises(SettingsError, match=r"is not in review\.own_policies: list it there"):
        ReviewSettings().override(policy=path)
    assert "antigravity" not in sys.modules


def test_a_run_names_a_policy_of_the_settings():
    listed = ReviewSettings(own_policies=(MINE,))
    assert listed.override(policy=MINE).policy == MINE
    assert ReviewSettings(policy=MINE).override(policy=MINE).policy == MINE
    # What comes out of a template's rendering is a section again; it lists what the settings list, not more.
    again = ReviewSettings.model_validate(listed.override(policy="random").model_dump(mode="json"))
    assert (again.policy, again.own_policies) == ("random", (MINE,))
    with pytest.raises(SettingsError):
        ReviewSettings(policy=MINE).override(policy="random").override(policy=MINE)


@pytest.mark.parametrize("name", BUILT_IN_POLICIES)
def test_built_in_policies_need_no_listing(name):
    assert resolve_policy(ReviewSettings(policy="top_score").override(policy=name).policy).name == name


def test_an_import_path_of_the_settings_has_its_form():
    with pytest.raises(ValueError, match="own_policies"):
        ReviewSettings(own_policies=("os.system",))
