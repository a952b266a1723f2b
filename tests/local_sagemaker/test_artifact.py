"""Packing a model and unpacking one."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from include.local_sagemaker.artifact import pack, unpack
from include.local_sagemaker.errors import JobError


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_equal_folders_are_equal_bytes_whatever_their_age_and_order(tmp_path):
    files = {"b.params": b"2", "a/symbol.json": b"{}", "a/run.sh": b"#!"}
    one = write(tmp_path / "one", files)
    two = write(tmp_path / "two", dict(reversed(files.items())))
    os.utime(two / "b.params", (1, 1))
    for folder in (one, two):
        pack(folder, tmp_path / f"{folder.name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    unpack(tmp_path / "one.tar.gz", tmp_path / "back", "s3://b/one")
    assert {
        str(path.relative_to(tmp_path / "back")): path.read_bytes()
        for path in (tmp_path / "back").rglob("*")
        if path.is_file()
    } == files


def test_a_link_is_packed_as_its_file_and_one_that_leads_to_none_is_named(tmp_path):
    folder = write(tmp_path / "model", {"model-0009.params": b"9"})
    (folder / "model.params").symlink_to("model-0009.params")
    os.link(folder / "model-0009.params", folder / "same.params")
    pack(folder, tmp_path / "x.tar.gz")
    unpack(tmp_path / "x.tar.gz", tmp_path / "back", "s3://b/x")
    names = ["model-0009.params", "model.params", "same.params"]
    assert {name: (tmp_path / "back" / name).read_bytes() for name in names} == dict.fromkeys(names, b"9")
    (folder / "old.params").symlink_to("gone.params")
    with pytest.raises(JobError, match=r"^old\.params is a link that leads to no file"):
        pack(folder, tmp_path / "x.tar.gz")


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b\x08\x00 cut short"])
def test_what_is_no_archive_is_a_sentence(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(JobError, match=r"^s3://b/x is not a usable model\.tar\.gz: "):
        unpack(tmp_path / "x", tmp_path / "out", "s3://b/x")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil"])
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(JobError, match=r"^s3://b/x is not a usable model\.tar\.gz: the name .* leads out"):
        unpack(archive, tmp_path / "deep/out", "s3://b/x")
    assert not (tmp_path / "deep/evil").exists()
    assert not os.path.exists("/tmp/evil")
