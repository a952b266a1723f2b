"""The reader of archives: equal to the standard library's on what is honest, and a sentence on the rest."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.archive import ArchiveError, Limits, contents, members, unpack

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
SMALL = Limits(count=20, file_bytes=4_000, total_bytes=40_000)


def packed(files: dict[str, bytes], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack files as the standard library does."""
    return with_members([(tarfile.TarInfo(name), content) for name, content in files.items()], dialect)


def with_members(entries: list[tuple[tarfile.TarInfo, bytes]], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=dialect, compresslevel=1) as archive:
        for member, content in entries:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def read(data: bytes, limits: Limits = SMALL) -> dict[str, bytes]:
    return contents(io.BytesIO(data), limits)


parts = st.text(
    st.characters(exclude_characters="/\\", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60
)
names = st.lists(parts.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@given(
    files=st.dictionaries(names, st.binary(max_size=1_500), max_size=5),
    dialect=st.sampled_from(FORMATS),
)
def test_honest_archives_of_every_dialect_are_read_as_they_were_packed(
    files: dict[str, bytes], dialect: int
) -> None:
    try:
        data = packed(files, dialect)
    except ValueError:  # ustar has no room for the name
        return
    clash = any(other.startswith(f"{name}/") for name in files for other in files)
    drive = any(name[1:2] == ":" and name[0].isascii() and name[0].isalpha() for name in files)
    long = any(len(os.fsencode(part)) > 255 for name in files for part in name.split("/"))
    if clash or drive or long:
        with pytest.raises(ArchiveError):
            read(data)
    else:
        assert read(data) == files


@given(data=st.data())
def test_damage_of_any_kind_is_a_sentence(data: st.DataObject) -> None:
    whole = bytearray(gzip.decompress(packed({"a/model.params": b"x" * 700, "b" * 150: b"y"})))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (gzip.compress(bytes(whole)), gzip.compress(bytes(whole[:cut]))):
        with contextlib.suppress(ArchiveError):
            read(damaged)


@given(st.binary(max_size=600))
def test_no_bytes_at_all_end_otherwise_than_with_a_sentence(data: bytes) -> None:
    for given_bytes in (data, b"\x1f\x8b" + data, gzip.compress(data)):
        with pytest.raises(ArchiveError):
            read(given_bytes)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_was_cut_short_says_so(share: float) -> None:
    whole = packed({"model.params": os.urandom(3_000)})
    with pytest.raises(ArchiveError, match="cut short"):
        read(whole[: int(len(whole) * share)])
    plain = gzip.decompress(whole)
    with pytest.raises(ArchiveError, match="cut short"):
        read(gzip.compress(plain[: int(4096 * share)]))


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04", "a zip archive"),
        (b"BZh91AY", "compressed by bzip2"),
        (b"\xfd7zXZ\x00", "compressed by xz"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
        (b"<html>", "not compressed by gzip"),
        (gzip.decompress(packed({"a": b"b"})), "a tar that is not compressed"),
    ],
)
def test_another_format_is_named(start: bytes, named: str) -> None:
    with pytest.raises(ArchiveError, match=named):
        read(start)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../evil", "leads out of the folder"),
        ("a/../../evil", "leads out of the folder"),
        ("/etc/evil", "leads out of the folder"),
        ("C:/evil", "leads out of the folder"),
        ("a\\b", "none that every machine can write"),
        ("a\nb", "none that every machine can write"),
        ("n" * 300, "none that every machine can write"),
        ("d/" * 3000 + "n", "none that every machine can write"),
        ("./", "a file without a name"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str, says: str) -> None:
    member = entry(name)
    data = with_members([(member, b"x")])
    # The standard library marks a file whose name ends with a slash as a folder.
    with pytest.raises(ArchiveError, match=says):
        unpack(io.BytesIO(data), tmp_path / "deep/out", limits=SMALL)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "of the unknown kind"),
    ],
)
def test_only_regular_files_are_taken(tmp_path: Path, kind: bytes, says: str) -> None:
    data = with_members([(entry("before"), b"x"), (entry("evil", kind, "/etc/passwd"), b"")])
    with pytest.raises(ArchiveError, match=f"'evil' is {says}.*; only regular files are taken"):
        unpack(io.BytesIO(data), tmp_path, limits=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_sparse_file_of_the_posix_kind_is_refused() -> None:
    member = entry("model.params")
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": "9999999999",
    }
    with pytest.raises(ArchiveError, match="is a sparse file"):
        read(with_members([(member, b"x")]))


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([entry("a"), entry("a")], "two entries for 'a'"),
        ([entry("a"), entry("./a")], "two entries for 'a'"),
        ([entry("a"), entry("a/b")], "'a' is a file and a folder"),
        ([entry("a/b"), entry("a")], "'a' is a file and a folder"),
        ([entry("a", tarfile.DIRTYPE), entry("a")], "'a' is a file and a folder"),
        ([entry("a"), entry("a", tarfile.DIRTYPE)], "two entries for 'a'"),
    ],
)
def test_a_name_is_one_file_or_one_folder(entries: list[tarfile.TarInfo], says: str) -> None:
    with pytest.raises(ArchiveError, match=says):
        read(with_members([(member, b"") for member in entries]))


def test_the_folder_itself_and_folders_named_twice_are_no_fault(tmp_path: Path) -> None:
    folders = [entry(name, tarfile.DIRTYPE) for name in ("./", "a", "./a/", "empty")]
    data = with_members([(member, b"") for member in folders] + [(entry("./a/b"), b"x")])
    unpack(io.BytesIO(data), tmp_path, limits=SMALL)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b", "empty"]


def patched(at: int, field: bytes, data: bytes | None = None) -> bytes:
    """Put a field into the first header of an archive and correct the header's checksum."""
    plain = bytearray(gzip.decompress(data or packed({"model.params": b"x" * 600}, tarfile.USTAR_FORMAT)))
    plain[at : at + len(field)] = field
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\x00 " % sum(plain[:512])
    return gzip.compress(bytes(plain))


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (b"\xff" * 12, "a number that is none or negative"),
        (b"-0000000600\x00", "a number that is none or negative"),
        (b"99999999999\x00", "a number that is none or negative"),
        (b"\x80" + b"\x00" * 3 + b"\x7f" * 8, "bytes, which no file of a model has"),
        (b"77777777777\x00", "bytes, which no file of a model has"),
        (b"00000000000\x00", "a header of it holds a number that is none"),
    ],
)
def test_a_size_in_a_header_is_not_trusted(tmp_path: Path, size: bytes, says: str) -> None:
    with pytest.raises(ArchiveError, match=says):
        unpack(io.BytesIO(patched(124, size)), tmp_path, limits=SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["-1", "1e3", "²", "", "9" * 30])
def test_a_size_in_a_posix_header_is_not_trusted(said: str) -> None:
    member = entry("model.params")
    member.pax_headers = {"size": said, "comment": "x"}
    with pytest.raises(ArchiveError, match=r"size that is none|damaged"):
        read(with_members([(member, b"x")]))


def bomb(size: int) -> bytes:
    """A file of zeros, as small as gzip makes it."""
    header = tarfile.TarInfo("zeros")
    header.size = size
    packer = zlib.compressobj(9, wbits=31)
    data = packer.compress(header.tobuf(tarfile.GNU_FORMAT))
    for _ in range(size // 1_000_000):
        data += packer.compress(bytes(1_000_000))
    return data + packer.flush()


def test_what_unpacks_to_too_much_is_refused_before_it_is_written(tmp_path: Path) -> None:
    data = bomb(30_000_000)
    assert len(data) < 40_000
    with pytest.raises(ArchiveError, match="30,000,000 bytes, which no file of a model has"):
        unpack(io.BytesIO(data), tmp_path, limits=SMALL)
    with pytest.raises(ArchiveError, match="it unpacks to more than 2,000,000 bytes"):
        unpack(io.BytesIO(data), tmp_path, limits=Limits(file_bytes=10**9, total_bytes=2_000_000))
    assert list(tmp_path.iterdir()) == []


def test_a_few_bytes_that_become_many_are_refused_by_the_usual_limits(tmp_path: Path) -> None:
    data = bomb(300_000_000)
    assert len(data) < 306_000
    with pytest.raises(ArchiveError, match="it unpacks to more than 200 times its size"):
        unpack(io.BytesIO(data), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_small_archive_may_shrink_well() -> None:
    assert read(packed({"zeros": bytes(60_000_000)}), Limits()) == {"zeros": bytes(60_000_000)}


def test_the_time_is_limited_even_while_nothing_comes_out() -> None:
    whole = packed({"a": b"b"})
    nothing = gzip.compress(b"") * 5_000
    assert read(whole + nothing, Limits()) == {"a": b"b"}
    with pytest.raises(ArchiveError, match="it was not read within 0 s"):
        read(nothing + whole, Limits(seconds=0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: packed({f"f{number}": b"" for number in range(21)}),
        lambda: with_members([(entry(f"f{number}", tarfile.DIRTYPE), b"") for number in range(21)]),
        lambda: with_members(
            [(entry(f"{number}" + "n" * 120), b"") for number in range(21)], tarfile.GNU_FORMAT
        ),
    ],
)
def test_the_number_of_members_is_limited(make: Callable[[], bytes]) -> None:
    with pytest.raises(ArchiveError, match="more than 20 members"):
        read(make(), Limits(count=20))


def test_headers_about_headers_are_limited_in_number_and_size() -> None:
    note = tarfile.TarInfo("note")
    note.type, note.size = b"L", 0
    with pytest.raises(ArchiveError, match="more than 20 members"):
        read(gzip.compress(note.tobuf(tarfile.GNU_FORMAT) * 70), Limits(count=20))
    note.size = 3_000_000
    with pytest.raises(ArchiveError, match="3,000,000 bytes, which no name needs"):
        read(gzip.compress(note.tobuf(tarfile.GNU_FORMAT)), Limits())


def test_one_header_cannot_name_all_files() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", pax_headers={"path": "everything"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    with pytest.raises(ArchiveError, match="gives all its files the same path"):
        read(out.getvalue())


def test_a_comment_for_all_files_is_no_fault() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", pax_headers={"comment": "0b1c2d"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    assert read(out.getvalue()) == {"a": b""}


def test_what_follows_the_end_is_not_passed_over() -> None:
    plain = gzip.decompress(packed({"a": b"b"}))
    assert read(gzip.compress(plain + bytes(20_000))) == {"a": b"b"}
    with pytest.raises(ArchiveError, match="data follows its end"):
        read(gzip.compress(plain + b"more"))


def test_the_checksum_of_the_whole_is_looked_at() -> None:
    data = bytearray(packed({"a": b"b"}))
    data[-6] ^= 1
    with pytest.raises(ArchiveError, match="a damaged gzip file"):
        read(bytes(data))


def test_a_link_that_was_there_before_leads_nothing_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match="a link in the folder"):
        unpack(io.BytesIO(packed({"a/b": b"x"})), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "out/a").unlink()
    (tmp_path / "precious").write_text("old")
    (tmp_path / "out/b").symlink_to(tmp_path / "precious")
    unpack(io.BytesIO(packed({"b": b"new"})), tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "old"
    assert (tmp_path / "out/b").read_bytes() == b"new"


def test_only_the_chosen_files_are_written_and_never_two_for_one_name(tmp_path: Path) -> None:
    def choose(name: str) -> str | None:
        return os.path.basename(name) if name.endswith(".params") else None

    unpack(io.BytesIO(packed({"x/a.params": b"1", "readme": b"2", "b.params": b"3"})), tmp_path, choose)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.params": b"1",
        "b.params": b"3",
    }
    with pytest.raises(ArchiveError, match=r"two files for 'a\.params'"):
        unpack(io.BytesIO(packed({"x/a.params": b"1", "y/a.params": b"2"})), tmp_path / "new", choose)


def test_who_does_not_read_a_content_gets_the_next_member_all_the_same() -> None:
    data = packed({"a": b"x" * 3_000, "b": b"y"})
    assert [member.name for member in members(io.BytesIO(data))] == ["a", "b"]


def test_a_program_stays_one(tmp_path: Path) -> None:
    program = entry("run.sh")
    program.mode = 0o4755
    unpack(io.BytesIO(with_members([(program, b"#!"), (entry("plain"), b"")])), tmp_path)
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("run.sh", "plain")] == [0o755, 0o644]
