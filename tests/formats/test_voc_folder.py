"""VOC folders as people have them: every file is used or gets a sentence, once."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from include.formats.voc import FolderFile, VocError, VocFault, VocFolder, VocItem

LABELS = ("cell",)


def picture(form: str = "JPEG", size: tuple[int, int] = (40, 30), orientation: int = 1) -> bytes:
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.new("RGB", size, "pink").save(stream, form, **({"exif": exif} if form in ("JPEG", "PNG") else {}))
    return stream.getvalue()


def annotation(
    size: tuple[int, int] = (40, 30), box: tuple[Any, ...] = (2, 3, 20, 25), label="cell"
) -> bytes:
    sides = "".join(
        f"<{name}>{value}</{name}>" for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation><filename>x.jpg</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"<object><name>{label}</name><bndbox>{sides}</bndbox></object></annotation>"
    ).encode()


class Files:
    """A folder in memory that counts what is read of it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.reads: Counter[str] = Counter()

    def files(self) -> list[FolderFile]:
        return [FolderFile(path, len(data)) for path, data in self._files.items()]

    def read(self, path: str) -> bytes:
        self.reads[path] += 1
        return self._files[path]

    def address(self, path: str) -> str:
        return path


def read(files: dict[str, bytes]) -> tuple[dict[str, VocItem], list[VocFault]]:
    """Read all names of a folder: the items by the path of their image, and the faults."""
    folder = VocFolder(Files(files), LABELS)
    found = [item for name in folder.entries for item in folder.read(name)]
    items = {item.path: item for item in found if isinstance(item, VocItem)}
    return items, [item for item in found if isinstance(item, VocFault)]


def fault(files: dict[str, bytes]) -> VocFault:
    """The only thing that is found in a folder: a fault."""
    items, faults = read(files)
    assert not items
    (only,) = faults
    assert "\n" not in only.reason
    return only


def pair(name: str, image: bytes | None = None, xml: bytes | None = None, suffix=".jpg") -> dict[str, bytes]:
    return {
        f"JPEGImages/{name}{suffix}": picture() if image is None else image,
        f"Annotations/{name}.xml": annotation() if xml is None else xml,
    }


def test_images_are_paired_by_their_path_below_the_folder():
    items, faults = read(
        {
            **pair("cam1/a"),
            **pair("cam2/a", picture(size=(50, 30)), annotation((50, 30))),
            **pair("b", suffix=".JPG"),
            **pair("c.d", suffix=".jpeg"),
            **pair("e", picture("PNG"), suffix=""),
            "JPEGImages/f.jpg": picture(),
            "Annotations/f.jpg.xml": annotation(),
            "jpegimages/IMG_1.JPG": picture(),
            "annotations/img_1.XML": annotation(),
        }
    )
    assert not faults
    assert {path: item.annotation.width for path, item in items.items()} == {
        "JPEGImages/cam1/a.jpg": 40,
        "JPEGImages/cam2/a.jpg": 50,
        "JPEGImages/b.JPG": 40,
        "JPEGImages/c.d.jpeg": 40,
        "JPEGImages/e": 40,
        "JPEGImages/f.jpg": 40,
        "jpegimages/IMG_1.JPG": 40,
    }


def test_accents_stored_in_two_ways_are_the_same_name():
    items, faults = read({"JPEGImages/a\u0308.jpg": picture(), "Annotations/\u00e4.xml": annotation()})
    assert (list(items), faults) == (["JPEGImages/a\u0308.jpg"], [])


def test_the_same_name_in_another_folder_is_no_pair_but_is_pointed_to():
    items, faults = read({"JPEGImages/cam1/a.jpg": picture(), "Annotations/a.xml": annotation()})
    assert not items
    assert {found.code: found.reason for found in faults} == {
        "no-annotation": "JPEGImages/cam1/a.jpg has no file Annotations/cam1/a.xml: add one (or move "
        "Annotations/a.xml: files are paired by their paths).",
        "no-image": "Annotations/a.xml has no image: upload or remove it (or move JPEGImages/cam1/a.jpg: "
        "files are paired by their paths).",
    }
    _, beside = read({"JPEGImages/a.jpg": picture(), "JPEGImages/a.xml": annotation()})
    assert {found.code for found in beside} == {"no-annotation", "not-an-image"}
    assert any("or move JPEGImages/a.xml" in found.reason for found in beside)


@pytest.mark.parametrize("second", ["a.png", "a.jpeg", "a.JPG", "a", "a.jpg.png", "a.dat"])
def test_two_images_for_one_annotation_are_both_left_out(second):
    files = {**pair("a"), f"JPEGImages/{second}": picture("PNG")}
    if second == "a.jpg.png":
        files["Annotations/a.jpg.xml"] = files.pop("Annotations/a.xml")
    if second == "a.JPG":
        files["JPEGImages/a.JPEG"] = files.pop("JPEGImages/a.JPG")
    items, faults = read(files)
    assert not items
    assert [found.code for found in faults] == ["two-images"] * 2
    assert all("a.jpg" in found.reason and " share Annotations/a" in found.reason for found in faults)


@pytest.mark.parametrize("second", ["a.XML", "a.jpg.xml"])
def test_two_annotations_for_one_image_leave_it_out(second):
    found = fault({**pair("a"), f"Annotations/{second}": annotation()})
    assert found.code == "two-annotations"
    assert "Annotations/a.xml" in found.reason
    assert second in found.reason


def test_what_lies_beside_an_image_and_is_none_does_not_take_its_annotation():
    items, faults = read(
        {**pair("a"), "JPEGImages/a.txt": b"0 0.5 0.5 1 1", "JPEGImages/a.webp": picture("WEBP")}
    )
    assert list(items) == ["JPEGImages/a.jpg"]
    assert [(found.image, found.code) for found in faults] == [
        ("JPEGImages/a.txt", "not-an-image"),
        ("JPEGImages/a.webp", "not-an-image"),
    ]


@pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".JPEG", "", ".png", ".dat", ".webp", ".tif"])
def test_a_jpeg_is_a_jpeg_whatever_its_suffix(suffix):
    items, faults = read(pair("a", suffix=suffix))
    assert (list(items), faults) == ([f"JPEGImages/a{suffix}"], [])


@pytest.mark.parametrize("form", ["WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_other_kinds_of_images_get_a_sentence_each(form):
    found = fault(pair("a", picture(form)))
    assert found.code == "not-an-image"
    kind = {"WEBP": "a WebP file", "PPM": "neither a JPEG nor a PNG"}.get(form, f"a {form} file")
    assert kind in found.reason


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("image", "code", "sentence"),
    [
        (b"", "empty-file", "is an empty file"),
        (picture() + bytes(6 << 20), "too-large", "and a model takes at most 6291456"),
        (bomb(9000, 9000), "too-large", "has 81000000 pixels and a model takes at most 64000000"),
        (bomb(60_000, 60_000), "too-large", "has 3600000000 pixels"),
        (bomb(40, 30), "unreadable", "cannot be decoded"),
        (picture()[:300], "unreadable", "cut short"),
        (b"\xff\xd8\xff", "unreadable", "cannot be decoded"),
        (b"version https://git-lfs", "not-an-image", "neither a JPEG nor a PNG"),
    ],
)
def test_what_no_model_takes_is_left_out_with_its_reason(image, code, sentence):
    found = fault(pair("a", image))
    assert (found.code, found.paths) == (code, ("JPEGImages/a.jpg", "Annotations/a.xml"))
    assert sentence in found.reason


def test_a_file_of_the_wrong_size_is_not_even_read():
    files = Files({**pair("a", bytes(7 << 20)), **pair("b", xml=b"<annotation>" + b" " * (17 << 20))})
    folder = VocFolder(files, LABELS)
    codes = [found.code for name in ("a", "b") for found in folder.read(name)]
    assert codes == ["too-large", "bad-annotation"]
    assert dict(files.reads) == {"Annotations/a.xml": 1}


def test_a_png_with_large_metadata_is_an_image():
    stream, info = io.BytesIO(), PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000, zip=True)
    Image.new("RGB", (40, 30)).save(stream, "PNG", pnginfo=info)
    items, faults = read(pair("a", stream.getvalue(), suffix=".png"))
    assert (len(items), faults) == (1, [])


@pytest.mark.parametrize(
    ("stored", "given", "orientation", "outcome"),
    [
        ((40, 30), (40, 30), 1, None),
        ((40, 30), (40, 30), 6, None),
        ((40, 30), (30, 40), 6, "keep the annotation"),
        ((40, 30), (30, 40), 8, "keep the annotation"),
        ((40, 30), (30, 40), 1, "one of them was turned"),
        ((40, 30), (40, 30), 3, "its sides do not tell"),
        ((40, 30), (40, 30), 2, "its sides do not tell"),
        ((40, 40), (40, 40), 6, "its sides do not tell"),
        ((40, 40), (40, 40), 3, "its sides do not tell"),
        ((40, 40), (40, 40), 1, None),
        ((40, 30), (80, 60), 6, "use the image that was annotated"),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_turned_photographs_are_used_only_where_their_sides_tell_the_frame(
    stored, given, orientation, outcome, form
):
    items, faults = read(pair("a", picture(form, stored, orientation), annotation(given)))
    assert bool(items) == (outcome is None)
    assert [outcome in found.reason for found in faults] == ([] if outcome is None else [True])
    if outcome and "one of" not in outcome and "use the" not in outcome:
        assert faults[0].code == "exif-orientation"
        assert f"orientation {orientation}" in faults[0].reason


def test_copies_of_editors_and_systems_are_skipped_and_said_once():
    copies = (
        *(
            "JPEGImages/.ipynb_checkpoints/a-checkpoint.jpg",
            "Annotations/.ipynb_checkpoints/a-checkpoint.xml",
        ),
        *(
            "__MACOSX/JPEGImages/._a.jpg",
            "JPEGImages/._a.jpg",
            "JPEGImages/.DS_Store",
            "JPEGImages/Thumbs.db",
        ),
        *(
            "desktop.ini",
            "JPEGImages/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
            "Annotations/a.xml~",
            ".git/config",
        ),
        *(
            "Annotations/a.xml.bak",
            "Annotations/.a.xml.swp",
            "ImageSets/Main/train.txt~",
            "Annotations/#a.xml#",
        ),
    )
    folder = VocFolder(Files({**pair("a"), **dict.fromkeys(copies, picture())}), LABELS)
    assert list(folder.entries) == ["a"]
    (note,) = folder.notes()
    assert note.startswith(f"Skipped {len(copies)} files that editors and systems leave behind: ")
    assert ".ipynb_checkpoints (2)" in note
    assert folder.not_read() == []
    assert folder.splits().notes == ()


def test_files_that_no_reader_looks_at_are_named_by_folder():
    others = [
        "SegmentationClass/a.png",
        "SegmentationClass/b.png",
        "README",
        "Annotations/a.json",
        "train/a.jpg",
    ]
    folder = VocFolder(Files({**pair("a"), **dict.fromkeys(others, b"x")}), LABELS)
    assert [(found.image, len(found.paths)) for found in folder.not_read()] == [
        ("Annotations", 1),
        ("README", 1),
        ("SegmentationClass", 2),
        ("train", 1),
    ]


def test_a_box_that_is_left_out_does_not_hide_that_none_is_left():
    items, faults = read(pair("a", xml=annotation(box=(0.1, 0.1, 0.5, 0.5))))
    assert not items
    assert [found.code for found in faults] == ["box", "nothing-to-label"]
    assert "keeps none of its 1 boxes" in faults[1].reason


folders = st.sampled_from(
    ["JPEGImages", "Annotations", "ImageSets/Main", "ImageSets", "jpegimages", "Other", ""]
)
inner = st.sampled_from(["", "", "", "cam1", "cam2/b", ".ipynb_checkpoints", "@eaDir"])
stems = st.sampled_from(
    ["a", "A", "a.jpg", "b c", "\u00e4", "a\u0308", "train", "TEST", "._a", "cell 1", "a~", "x.y"]
)
suffixes = st.sampled_from([".jpg", ".JPG", ".png", "", ".xml", ".XML", ".txt", ".webp", ".db"])
CONTENTS = (
    *(
        picture(),
        picture("PNG"),
        picture("WEBP"),
        picture()[:200],
        b"",
        b"a\nb c\n",
        "\u00e4 -1".encode("utf-16"),
    ),
    *(
        annotation(),
        annotation((30, 40)),
        annotation(label="dog"),
        annotation(box=(9, 9, 3, 3)),
        b"<annotation>",
    ),
)
trees = st.dictionaries(
    st.builds(
        lambda folder, deeper, stem, suffix: "/".join(filter(None, (folder, deeper, stem + suffix))),
        *(folders, inner, stems, suffixes),
    ),
    st.sampled_from(CONTENTS),
    max_size=14,
)


@given(trees)
def test_every_file_of_any_tree_is_accounted_for_exactly_once(files):
    folder = VocFolder(Files(files), LABELS)
    accounted: Counter[str] = Counter()
    for name, entry in folder.entries.items():
        found = [
            item for item in folder.read(name) if not (isinstance(item, VocFault) and item.code == "box")
        ]
        of_name = Counter(path for item in found for path in item.paths)
        assert of_name == Counter(file.path for file in (*entry.images, *entry.annotations))
        accounted += of_name
        assert all(item.reason for item in found if isinstance(item, VocFault))
    accounted.update(path for found in folder.not_read() for path in found.paths)
    accounted.update(file.path for file in folder.contents.lists.values())
    accounted.update(file.path for file, _ in folder.contents.leftovers)
    assert accounted == Counter(files.keys())
    try:
        splits = folder.splits()
    except VocError:
        return
    used = [*splits.train, *splits.validation]
    assert len(used) == len(set(used))
    assert not {*used} & {*splits.test}
    assert {*splits.test} <= {*folder.entries}


@pytest.mark.parametrize(
    "name", ["test.txt", "Test.csv", "my_test", "holdout.json", "TestSplit.lst", "test.txt.gz"]
)
def test_a_list_of_tests_beside_the_folders_stops_the_set(name):
    files = {**pair("a"), **pair("b"), name: b"b"}
    for lists in ({}, {"ImageSets/Main/trainval.txt": b"a\nb"}):
        with pytest.raises(
            VocError, match=f"^{name} is not read, .* meant for testing: move it to ImageSets"
        ):
            VocFolder(Files({**files, **lists}), LABELS).splits()


def test_a_list_of_tests_beside_main_stops_the_set():
    files = {**pair("a"), **pair("b"), "ImageSets/test.txt": b"b", "ImageSets/Main/trainval.txt": b"a\nb"}
    with pytest.raises(VocError, match=r"^ImageSets/test\.txt is not read, "):
        VocFolder(Files(files), LABELS).splits()


def test_other_files_beside_the_folders_stop_nothing():
    files = {**pair("a"), "test.py": b"", "latest.txt": b"a", "README_test.md": b"", "train.txt": b"a"}
    assert VocFolder(Files(files), LABELS).splits().test == ()


def test_two_lists_of_one_path_are_refused_and_both_accounted_for():
    second = "imagesets/Main/test.txt"
    files = {**pair("a"), **pair("b"), "ImageSets/Main/test.txt": b"a", second: b"b"}
    folder = VocFolder(Files(files), LABELS)
    with pytest.raises(
        VocError, match=f"^ImageSets/Main/test.txt and {second} may say different things: keep"
    ):
        folder.splits()
    assert [fault.paths for fault in folder.not_read()] == [(second,)]
    both = {**pair("a"), **pair("b"), "ImageSets/Main/train.txt": b"a", second: b"b"}
    found = VocFolder(Files(both), LABELS).splits()
    assert (found.train, found.test) == (("a",), ("b",))
