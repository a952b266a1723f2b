"""A copy under another name is the same image, and what is unknown passes for nothing."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import jsonl
from secondlook.failures.exceptions import ManifestError, RecordError
from secondlook.training import (
    ImageIdentities,
    latest,
    mix_replay,
    named_images,
    what_is_learned,
    write_manifest,
)
from tests.support.manifests import make_line

names, contents = st.sampled_from("abcdef"), st.sampled_from("012345")
lines = st.lists(
    st.builds(
        lambda name, content, boxes: make_line(name, *range(boxes), sha256=content * 64),
        *(names, contents, st.integers(1, 3)),
    ),
    max_size=12,
)


def alike(one, other) -> bool:
    return one.image == other.image or one.sha256 == other.sha256


@given(lines)
def test_each_image_keeps_one_line_that_nothing_later_is_about(found):
    kept = latest(found)
    assert not any(alike(one, other) for n, one in enumerate(kept) for other in kept[:n])
    if found:
        assert found[-1] in kept
    # Whatever is left out gave way to something later about the same image.
    for place, line in enumerate(found):
        assert line in kept or any(alike(line, later) for later in found[place + 1 :])


@given(lines, lines)
def test_a_mix_holds_no_image_twice_and_all_that_is_new(new, old):
    plain = make_line("plain.jpg", sha256="f" * 64)
    mix = mix_replay(new, [*old, plain], min_boxes_per_class=0)
    assert not any(alike(one, other) for n, one in enumerate(mix.lines) for other in mix.lines[:n])
    assert set(latest(new)) <= set(mix.lines)


@given(lines, lines)
def test_held_out_is_what_has_the_address_or_the_content_of_a_held_out_image(held_out, found):
    identities = ImageIdentities.of(held_out)
    assert [line in identities for line in found] == [
        any(alike(line, other) for other in held_out) for line in found
    ]


def test_an_image_of_unknown_content_is_refused_not_passed():
    unknown = make_line("a.jpg")
    with pytest.raises(ManifestError, match=r"The content of s3://b/a\.jpg is unknown"):
        ImageIdentities.of([unknown])
    with pytest.raises(ManifestError, match="may be a copy of any image"):
        _ = unknown in ImageIdentities.of([make_line("b.jpg", sha256="0" * 64)])


def test_every_line_of_a_manifest_names_its_image_whatever_else_is_wrong_with_it():
    records = [make_line("a.jpg", sha256="0" * 64, etag="e").to_record(), {"source-ref": "s3://b/b.jpg"}]
    found = named_images(jsonl.encode(records), source="m")
    assert [(item.image, item.etag, item.sha256) for item in found] == [
        ("s3://b/a.jpg", "e", "0" * 64),
        ("s3://b/b.jpg", None, None),
    ]
    with pytest.raises(ManifestError, match="line 1 of m has no source-ref"):
        named_images(b'{"image": "s3://b/a.jpg"}', source="m")
    with pytest.raises(ManifestError, match="line 1 of m: its sha256 'd41d8' is no SHA-256"):
        named_images(b'{"source-ref": "s3://b/a.jpg", "sha256": "d41d8"}', source="m")
    with pytest.raises(RecordError):
        named_images(b"{", source="m")
    # Hexadecimal digits in capitals are the same number.
    (shouting,) = named_images(b'{"source-ref": "s3://b/a", "sha256": "%s"}' % (b"AB" * 32), source="m")
    assert shouting.sha256 == "ab" * 32


def test_a_training_is_named_by_what_it_learns_not_by_how_it_was_uploaded():
    line = make_line("a.jpg", sha256="0" * 64, etag="e1")
    again, other = dataclasses.replace(line, etag="e2"), dataclasses.replace(line, sha256="1" * 64)
    assert write_manifest([again]) != write_manifest([line])
    assert what_is_learned([again]) == what_is_learned([line]) != what_is_learned([other])
