"""Lists as people and tools write them: no spelling may put a test image among those to train on."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.formats.voc import Splits, VocError
from include.formats.voc.lists import lists_to_read, unread
from include.formats.voc.names import NameIndex
from include.formats.voc.splits import read_splits


def splits(lists: dict[str, str | bytes], *images: str) -> Splits:
    """Read lists (path below ImageSets, in Main unless it has a slash) of a folder with these images."""
    files = {
        path if "/" in path else f"Main/{path}": text if isinstance(text, bytes) else text.encode()
        for path, text in lists.items()
    }
    index = NameIndex({path.rsplit(".", 1)[0]: (path, path.rsplit(".", 1)[0]) for path in images})
    return read_splits(lists_to_read(files), files.__getitem__, index)


ABCD = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "val.txt", "test.txt"),
        ("Train.txt", "Validation.txt", "Test.txt"),
        ("TRAIN.TXT", "valid.txt", "TEST.TXT"),
        ("train", "val.lst", "test.txt.txt"),
        ("training.txt", "Val.list", "testing.txt"),
        ("cell_train.txt", "cell_val.txt", "cell_test.txt"),
        ("train.txt", "val.txt", "test_set.txt"),
        ("train.txt", "val.txt", "test2007.txt"),
        ("train.txt", "val.txt", "My Test (1).txt"),
        ("train.txt", "val.txt", "holdout.txt"),
        ("train.txt", "val.txt", "voc.test.txt"),
        ("train.txt", "val.txt", "test.v2.txt"),
        ("train.txt", "val.txt", "TestSplit.txt"),
        ("train.txt", "val.txt", "VOCtest.txt"),
        ("train.txt", "val.txt", "cellsHoldOut.lst"),
        ("train.txt", "val.txt", "test_train.txt"),
    ],
)
def test_a_list_is_known_by_its_name_in_any_case(names):
    found = splits(dict(zip(names, ("a\nb\n", "c\n", "d\n"), strict=True)), *ABCD)
    assert (found.train, found.validation, found.test) == (("a", "b"), ("c",), ("d",))


@pytest.mark.parametrize(
    "line",
    [
        "cell 1",
        "cell 1.png",
        "CELL 1",
        "cell  1",
        "./cell 1",
        ".\\cell 1.jpg",
        "JPEGImages/cell 1.jpg",
        "/data/VOC2012/JPEGImages/cell 1.jpg",
        "C:\\data\\JPEGImages\\cell 1.JPG",
        "Annotations/cell 1.xml",
        '"cell 1" -1',
        "cell 1  1",
        "cell 1 -1",
        "  cell 1\t",
    ],
)
def test_a_whole_line_is_a_name_however_it_is_written(line):
    found = splits({"test.txt": f"{line}\r\n"}, "cell 1.jpg", "cell 2.jpg")
    assert (found.test, found.unknown) == (("cell 1",), ())


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("latin-1"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode() + b"\x1a",
        lambda text: text.replace("\u00e4", "a\u0308").encode(),
    ],
)
def test_lists_are_read_in_every_usual_encoding(encode):
    found = splits({"test.txt": encode("\u00e4-1\nb\n")}, "\u00e4-1.jpg", "b.jpg", "c.jpg")
    assert (found.test, found.unknown) == (("\u00e4-1", "b"), ())


def test_images_in_folders_are_found_by_their_path_or_by_the_only_name_that_fits():
    images = ("cam1/a.jpg", "cam2/a.jpg", "cam2/b.jpg")
    assert splits({"test.txt": "cam2/a\ncam2\\b.jpg"}, *images).test == ("cam2/a", "cam2/b")
    assert splits({"train.txt": "b"}, *images).train == ("cam2/b",)
    # Nobody can say which is meant: none of them is trained on.
    assert splits({"test.txt": "a"}, *images).test == ("cam1/a", "cam2/a")
    with pytest.raises(VocError, match="line 1: 'a' may be any of cam1/a, cam2/a; write the path"):
        splits({"train.txt": "a"}, *images)


def test_names_that_differ_in_case_only_are_told_apart():
    found = splits({"train.txt": "A", "test.txt": "a"}, "a.jpg", "A.jpg")
    assert (found.train, found.test) == (("A",), ("a",))


def test_lists_of_one_class_mean_what_voc_means_by_them():
    images = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg")
    lists = {
        "cat_train.txt": "a  1\nb -1\nc  0",
        "dog_train.txt": "a -1\nb  1\nc -1\nd -1",
        "cat_val.txt": "e  1\nf -1",
    }
    found = splits(lists, *images)
    # d is in no class, f is not in the only one; f belongs to the validation set all the same.
    assert (found.train, found.validation, found.kept_back) == (("a", "c", "b"), ("e",), {"e", "f"})
    beside = splits({**lists, "train.txt": "a\nd", "val.txt": "e", "cat_test.txt": "f -1"}, *images)
    assert (beside.train, beside.validation, beside.test) == (("a", "d"), ("e",), ("f",))
    assert any("3 lists of one class are not needed" in note for note in beside.notes)


def test_in_a_list_of_one_class_the_number_is_the_flag():
    images = ("cell.jpg", "cell 1.jpg")
    assert splits({"rbc_test.txt": "cell 1"}, *images).test == ("cell",)
    assert splits({"rbc_test.txt": "cell 1 1"}, *images).test == ("cell 1",)
    assert splits({"test.txt": "cell 1"}, *images).test == ("cell 1",)


def test_what_is_still_to_be_split():
    assert splits({"trainval.txt": "a\nb\nc", "val.txt": "b", "test.txt": "d"}, *ABCD).train == ("a", "c")
    assert splits({"default.txt": "a\nb"}, *ABCD).train == ("a", "b")
    voc = splits({"trainval.txt": "a\nb\nc", "train.txt": "a"}, *ABCD)
    assert (voc.train, voc.validation) == (("a",), ("b", "c"))
    assert splits({}, *ABCD) == Splits()


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        (
            {"train.txt": "a\nb", "Test.txt": "B.JPG"},
            r"Image b is in the train set \(ImageSets/Main/train.txt\) and in the test set "
            r"\(ImageSets/Main/Test.txt\); it may be in one only",
        ),
        ({"test.txt": "a\nnobody"}, "ImageSets/Main/test.txt names 'nobody', of which there is no image"),
        ({"train.txt": b"\xff\xd8\xff\xe0\0\x10JFIF\0"}, "ImageSets/Main/train.txt is not a text file"),
        ({"train.txt": b"\xfe\xff\0"}, "ImageSets/Main/train.txt is not a text file"),
        (
            {"fold1/train.txt": "a", "fold2/train.txt": "b"},
            "lists of images in ImageSets/fold1, ImageSets/fold2",
        ),
    ],
)
def test_a_list_that_cannot_be_meant_so_is_one_sentence(lists, sentence):
    with pytest.raises(VocError, match=sentence) as caught:
        splits(lists, *ABCD)
    assert "\n" not in str(caught.value)


def test_lists_elsewhere_are_read_where_main_has_none_and_named_where_it_has():
    assert splits({"train.txt": "a", "fold1/train.txt": "b"}, *ABCD).train == ("a",)
    assert splits({"fold1/train.txt": "b"}, *ABCD).train == ("b",)
    assert splits({"Segmentation/train.txt": "b"}, *ABCD).train == ()
    paths = ("Main/train.txt", "Main/latest.txt", "Main/notes.csv", "fold1/train.txt")
    sentence = unread(paths, lists_to_read(paths))
    assert sentence.startswith("Not read, 3 of the files in ImageSets: ImageSets/Main/latest.txt, ")
    assert unread(paths[:1], lists_to_read(paths[:1])) is None


@pytest.mark.parametrize(
    "path",
    [
        "Main/test_ids.tsv",
        "Main/test.txt.gz",
        "Main/test.csv",
        "Main/test.csv.txt",
        "Main/test.json",
        "Main/more/test.txt",
        "Test/test.txt",
        "Test/images.txt",
        "fold1/myTestSplit.txt",
        "Person/test.txt",
    ],
)
def test_a_file_that_may_name_test_images_is_read_or_stops_the_set(path):
    sentence = f"^ImageSets/{path} is not read, .* meant for testing: move it to ImageSets/Main/test.txt "
    with pytest.raises(VocError, match=sentence) as caught:
        splits({"trainval.txt": "a\nb\nc\nd", path: "d"}, *ABCD)
    assert "\n" not in str(caught.value)


def test_a_list_of_a_folder_of_tests_is_not_trained_on():
    with pytest.raises(VocError, match=r"ImageSets/Test/default\.txt is not read"):
        splits({"Test/default.txt": "d"}, *ABCD)
    assert splits({"test.txt": "d", "train.txt": "a"}, *ABCD).test == ("d",)


@pytest.mark.parametrize(
    "name", ["latest.txt", "contest.csv", "LATEST", "protest_v2.json", "Attestation.txt"]
)
def test_a_name_that_only_contains_the_letters_is_no_test(name):
    assert splits({"train.txt": "a", name: "b"}, *ABCD).train == ("a",)


def test_lists_of_the_other_tasks_of_voc_stop_nothing():
    lists = {
        "trainval.txt": "a\nb\nc",
        "test.txt": "d",
        "aeroplane_test.txt": "d -1",
        "Layout/test.txt": "d",
        "Segmentation/test.txt": "d",
        "Action/jumping_test.txt": "d 1 -1",
    }
    found = splits(lists, *ABCD)
    assert (found.train, found.test) == (("a", "b", "c"), ("d",))


def test_a_backslash_may_be_a_letter_of_a_name():
    images = ("cam\\0.jpg", "cam/0.jpg", "b.jpg")
    for line in ("cam\\0.jpg", "./cam\\0", "JPEGImages/cam\\0.jpg", "/data/JPEGImages/cam\\0.jpg"):
        assert splits({"train.txt": "b", "test.txt": line}, *images).test == ("cam\\0",)
    assert splits({"train.txt": "b", "test.txt": "cam\\0.jpg"}, *images[1:]).test == ("cam/0",)
    with pytest.raises(VocError, match="it may be in one only"):
        splits({"train.txt": "cam\\0.jpg", "test.txt": "cam\\0"}, *images)


def test_images_of_trainval_that_are_not_used_are_told():
    found = splits(
        {"trainval.txt": "a\nb\nc\nd\nx", "train.txt": "a", "val.txt": "b", "test.txt": "c"}, *ABCD
    )
    (note,) = found.notes
    assert note == (
        "Not used, 1 of the images in ImageSets/Main/trainval.txt: d; such a list is not read beside one to "
        "train from and one to validate with."
    )
    assert splits({"trainval.txt": "a\nb", "train.txt": "a", "val.txt": "b"}, *ABCD).notes == ()


def test_names_without_an_image_are_kept_to_be_told():
    found = splits({"train.txt": "a\nx 1\n# made by hand", "test.txt": "y\nd", "val.txt": "b"}, *ABCD)
    assert found.train == ("a", "x")
    assert found.test == ("d",)
    assert dict(found.unknown) == {"x": "ImageSets/Main/train.txt", "y": "ImageSets/Main/test.txt"}
    assert found.notes == ("1 names of lists to test with have no image: y.",)


spellings = st.sampled_from(
    [
        str,
        str.upper,
        "{}.jpg".format,
        "./{}".format,
        "JPEGImages/{}.png".format,
        "{} -1".format,
        "{} 1".format,
    ]
)
names = st.lists(
    st.sampled_from(["a", "b c", "cell 1", "\u00e4", "cam/a 0", "x.y", "1"]), unique=True, min_size=1
)


@given(names, st.data())
def test_no_spelling_puts_a_test_image_into_training(images, data):
    files = [f"{name}.jpg" for name in images]
    tested = data.draw(st.lists(st.sampled_from(images), unique=True, min_size=1))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    lines = "\n".join(data.draw(spellings)(name) for name in tested)
    list_name = data.draw(st.sampled_from(["test.txt", "TEST.TXT", "Test", "cat_test.txt", "testing.txt"]))
    found = splits({list_name: lines.encode(encoding)}, *files)
    assert set(tested) <= found.kept_back
    with pytest.raises(VocError, match="it may be in one only"):
        splits({list_name: lines.encode(encoding), "train.txt": "\n".join(images)}, *files)


@given(st.binary(max_size=60), st.sampled_from(["train.txt", "val.txt", "test.txt", "cat_val.txt"]))
def test_whatever_a_list_holds_it_is_read_or_refused(data, name):
    with contextlib.suppress(VocError):
        found = splits({name: data, "trainval.txt": "a"}, *ABCD)
        assert {*found.train, *found.validation}.isdisjoint(found.test)
