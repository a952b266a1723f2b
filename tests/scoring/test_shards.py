"""Cutting a night: every image in exactly one shard and one part, whatever comes or goes afterwards."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.failures.exceptions import RecordError
from secondlook.scoring.shards import WHOLE_NIGHT, Shard, cut, parts

NAMES = st.sets(st.text(alphabet="abz/.é 😀", min_size=1, max_size=6), max_size=120)
SIZES = st.integers(min_value=1, max_value=9)


def listed(shard: Shard, names: set[str]) -> list[str]:
    """What S3 would list of a shard: names in the order of their bytes."""
    inside = [
        name
        for name in names
        if (shard.after is None or name > shard.after) and (shard.until is None or name <= shard.until)
    ]
    return sorted(inside, key=lambda name: name.encode())


def pieces(shards: tuple[Shard, ...], names: set[str], part_size: int) -> list[tuple[int, list[str]]]:
    return [piece for shard in shards for piece in parts(shard, listed(shard, names), part_size)]


@given(planned=NAMES, now=NAMES, part_size=SIZES, shard_size=SIZES, max_shards=SIZES)
def test_every_image_is_in_one_part_whatever_comes_or_goes(
    planned: set[str], now: set[str], part_size: int, shard_size: int, max_shards: int
) -> None:
    ordered = sorted(planned, key=lambda name: name.encode())
    count, shards = cut(ordered, shard_size=shard_size, part_size=part_size, max_shards=max_shards)
    assert count == len(planned)
    assert 1 <= len(shards) <= max_shards
    shards = tuple(Shard.from_record(shard.to_record()) for shard in shards)
    assert (shards[0].after, shards[-1].until) == (None, None)

    before = pieces(shards, planned, part_size)
    assert [name for _, part in before for name in part] == ordered
    assert [number for number, _ in before] == list(range(len(before)))
    assert all(len(part) <= part_size for _, part in before)
    assert sum(shard.parts for shard in shards) == max(1, len(before))
    # A shard is never smaller than wished for, except the last; and no larger than it has to be.
    if len(shards) > 1:
        size = sum(len(part) for number, part in before if number < shards[1].first_part)
        assert size >= shard_size
        assert size < shard_size + part_size or -(-count // (size // 2)) > max_shards

    after = pieces(shards, now, part_size)
    assert Counter(name for _, part in after for name in part) == Counter(now)
    numbers = [number for number, _ in after]
    assert numbers == sorted(set(numbers))
    for shard, following in itertools.pairwise(shards):
        assert shard.first_part + shard.parts == following.first_part


def test_a_shard_that_has_grown_fills_its_last_part_and_the_last_shard_goes_on_counting() -> None:
    _, shards = cut(["b", "d", "f", "h"], shard_size=2, part_size=1, max_shards=9)
    assert [(shard.after, shard.until) for shard in shards] == [(None, "d"), ("d", None)]
    night = {"b", "d", "f", "h", "c", "a", "x", "y"}
    assert pieces(shards, night, 1) == [
        (0, ["a"]),
        (1, ["b", "c", "d"]),
        (2, ["f"]),
        (3, ["h"]),
        (4, ["x"]),
        (5, ["y"]),
    ]


def test_names_are_read_once_and_the_ends_alone_are_kept() -> None:
    names = (f"{number:07d}" for number in range(100_000))
    count, shards = cut(names, shard_size=10, part_size=10, max_shards=1024)
    assert count == 100_000
    assert 512 <= len(shards) <= 1024
    assert next(names, None) is None


def test_a_night_in_one_piece_has_no_ends() -> None:
    assert cut([], shard_size=5, part_size=2, max_shards=3) == (0, WHOLE_NIGHT)


@pytest.mark.parametrize(
    "record",
    [
        {"shard": 0},
        {"shard": 0, "after": None, "until": None, "first_part": -1, "parts": 1},
        {"shard": 0, "after": None, "until": None, "first_part": 0, "parts": 0},
    ],
)
def test_what_is_no_shard_gets_a_sentence(record: dict[str, object]) -> None:
    with pytest.raises(RecordError, match="plan the night again"):
        Shard.from_record(record)
