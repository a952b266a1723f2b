"""REVIEWERS= of this start decides, not that of the first."""

from __future__ import annotations

import json
import tomllib

import pytest

from include.demo.demo_settings import DRAWN, PHOTOS, Follower, demo_settings, for_person, write_settings


@pytest.fixture
def follower(tmp_path) -> Follower:
    return Follower(tmp_path / "settings.toml", tmp_path / "schedule.json")


def values(follower: Follower) -> dict:
    return tomllib.loads(follower.settings.read_text())


def as_if_begun(schedule) -> dict:
    return tomllib.loads(_text(demo_settings(("RBC",), schedule)))


def _text(settings: dict) -> str:
    from include.demo.demo_settings import _toml

    return _toml(settings)


@pytest.mark.parametrize("base", [DRAWN, PHOTOS])
@pytest.mark.parametrize("starts", [(False, True), (True, False), (False, True, False), (True, True)])
def test_the_settings_are_those_of_a_folder_that_this_choice_began(follower, base, starts):
    first = for_person(base) if starts[0] else base
    follower.begin(base, starts[0], demo_settings(("RBC",), first))
    for for_me in starts[1:]:
        assert follower.follow(for_me) == []
        assert values(follower) == as_if_begun(for_person(base) if for_me else base)


def test_what_a_user_changed_by_hand_stays_and_is_told(follower):
    follower.begin(DRAWN, False, demo_settings(("RBC",), DRAWN))
    text = follower.settings.read_text().replace(f"limit = {DRAWN.review_limit}", "limit = 3  # mine")
    follower.settings.write_text(text + "\n# a note\n[archive]\nlimit = 80\n")
    assert follower.follow(True) == ["[review] limit = 3"]
    assert "limit = 3  # mine" in follower.settings.read_text()
    assert "# a note" in follower.settings.read_text()
    assert values(follower)["archive"] == {"limit": 80}
    assert values(follower)["review"]["timeout_seconds"] == 24 * 3600
    assert follower.follow(False) == ["[review] limit = 3"]


@pytest.mark.parametrize("base", [DRAWN, PHOTOS])
def test_an_older_folder_follows_too(follower, base):
    settings = demo_settings(("RBC",), base)
    settings["review"]["timeout_seconds"] = 600
    write_settings(follower.settings, settings)
    assert follower.follow(True) == []
    assert values(follower) == as_if_begun(for_person(base))
    assert json.loads(follower.file.read_text())["for_me"] is True
