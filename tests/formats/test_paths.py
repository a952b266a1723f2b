"""A name from elsewhere never becomes a path outside its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.paths import UnsafeNameError, inside

FOLDER = Path("/srv/data")


@pytest.mark.parametrize(
    "name", ["a", "a/b.jpg", "..a", "a..", "a/...", " ", "ü", "a//b", "a/", "-", "~", "C:"]
)
def test_an_ordinary_name_is_joined_as_it_is(name: str) -> None:
    assert inside(FOLDER, name) == FOLDER / name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("..", "leads out of the folder"),
        ("../a", "leads out of the folder"),
        ("a/../../b", "leads out of the folder"),
        ("a/..", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("//a", "leads out of the folder"),
        ("", "is not that of a file"),
        (".", "is not that of a file"),
        ("a/./b", "is not that of a file"),
        ("a\x00b", "is none that every machine can write"),
        ("\ud800", "is none that every machine can write"),
        ("ü" * 128, "is none that every machine can write"),
        ("a/" * 2100 + "b", "is none that every machine can write"),
    ],
)
def test_any_other_is_refused_in_a_clause_that_names_it(name: str, says: str) -> None:
    with pytest.raises(UnsafeNameError, match=f"the name .* {says}"):
        inside(FOLDER, name)


@given(st.lists(st.sampled_from(["a", "..", ".", "", "/", "b\x00", "~", "\\"]), max_size=8).map("/".join))
def test_no_mixture_of_tricks_leads_out(name: str) -> None:
    try:
        path = inside(FOLDER, name)
    except UnsafeNameError:
        return
    assert ".." not in path.parts
    assert FOLDER in path.parents
