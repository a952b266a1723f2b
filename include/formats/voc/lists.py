"""The files of ``ImageSets``: which of them are lists to use, and what each is for.

A list's name says what it is for, in upper or lower case: ``train``, ``val`` (``valid``,
``validation``), ``test``, and ``trainval`` or CVAT's ``default`` for what is still to be split.
``<class>_train`` and the like are VOC's lists of one class, with 1, 0 (difficult) or -1 (not in the image)
after each name; they are used where there is no list for all classes. Any list with ``test`` as a word of its
name is one to test with. Its images are never trained on, whichever list names them. A file that has the word
in its path and cannot be read as such a list stops the whole set: without it the test images are unknown.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from include.formats.text import some

from .errors import VocError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_SUFFIXES = (".txt", ".lst", ".list")
# These are not plain lists of names, even with a list's suffix after them.
_DATA_SUFFIXES = (".csv", ".tsv", ".json", ".gz")
# Lists of VOC's other tasks over the same images.
_OTHER_TASKS = ("layout", "segmentation", "action")


class Use(Enum):
    """What a list is for; the value is its name in sentences."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    POOL = "trainval"


_USES = {
    **dict.fromkeys(("train", "training"), Use.TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate"), Use.VALIDATION),
    **dict.fromkeys(("test", "testing"), Use.TEST),
    **dict.fromkeys(("trainval", "trainvalid", "train_val", "train-val", "default"), Use.POOL),
}
# A list that has test in its name is kept back, whatever else its name says.
_TEST_WORD = re.compile(r"(?<![a-z])(tests?|testset|testing|testdata|(hold|held)[ _-]?out)(?![a-z])")
# TestSplit and myTEST; VOCtest needs the other reading of where a word begins.
_CAMEL = (
    re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"),
    re.compile(r"(?<=[A-Z][A-Z])(?=[a-z])"),
)
_OF_ONE_CLASS = re.compile(r".+[_-](" + "|".join(sorted(_USES, key=len, reverse=True)) + ")", re.DOTALL)


@dataclass(frozen=True)
class ImageList:
    """One file below ``ImageSets``: its path there, its use (None: unknown), whether it is of one class."""

    path: str
    use: Use | None
    of_one_class: bool

    @classmethod
    def of(cls, path: str) -> ImageList:
        """Derive the use from the file's name."""
        name = posixpath.basename(path)
        stem, suffix = _stem(name)
        of_a_list = suffix == "" or (stem != name.lower().strip() and suffix not in _DATA_SUFFIXES)
        found = _OF_ONE_CLASS.fullmatch(stem)
        if of_a_list and names_a_test(name):
            return cls(path, Use.TEST, bool(found) and stem not in _USES)
        if suffix:
            return cls(path, None, False)
        if stem in _USES:
            return cls(path, _USES[stem], False)
        return cls(path, _USES[found[1]], True) if found else cls(path, None, False)

    @property
    def source(self) -> str:
        """What to call the list in sentences."""
        return f"ImageSets/{self.path}"


def names_a_test(name: str) -> bool:
    """Whether a name holds a word for what is kept back; words end where letters or camel humps do."""
    readings = (name, *(hump.sub(" ", name) for hump in _CAMEL))
    return any(_TEST_WORD.search(reading.lower()) for reading in readings)


def lists_like(name: str) -> bool:
    """Whether a file outside ``ImageSets`` may be a list, by its suffix."""
    return posixpath.splitext(name.strip())[1].lower() in ("", *_SUFFIXES, *_DATA_SUFFIXES)


def unread_test(path: str) -> VocError:
    """The error for a set with an unread file that may name its test images."""
    return VocError(
        f"{path} is not read, and by its name the images in it may be meant for testing: move it to "
        "ImageSets/Main/test.txt with one image name a line, or remove it."
    )


def _stem(name: str) -> tuple[str, str]:
    """The name in lower case without the suffixes of lists, and the foreign suffix that is left, if any."""
    stem = name.lower().strip()
    while (split := posixpath.splitext(stem))[1] in _SUFFIXES:
        stem = split[0].strip()
    return stem, posixpath.splitext(stem)[1]


def lists_to_read(paths: Iterable[str]) -> list[ImageList]:
    """Choose, of the files below ``ImageSets``, the lists that count.

    Those of ``Main``; where it has none, those of the only other folder that has some.

    Parameters
    ----------
    paths
        With slashes, below ``ImageSets``.

    Raises
    ------
    VocError
        Several other folders have some, or a file that may name test images is not read.
    """
    paths = tuple(paths)
    chosen = _of_one_folder(paths)
    read = {found.path for found in chosen if found.use is Use.TEST}
    for path in sorted({*paths} - read):
        if path.lower().split("/")[0] not in _OTHER_TASKS and names_a_test(path):
            raise unread_test(f"ImageSets/{path}")
    return chosen


def _of_one_folder(paths: Iterable[str]) -> list[ImageList]:
    by_folder: dict[str, list[ImageList]] = {}
    for path in sorted(paths):
        found = ImageList.of(path)
        folder = posixpath.dirname(path)
        if found.use and folder.lower().split("/")[0] not in (*_OTHER_TASKS, "person"):
            by_folder.setdefault(folder, []).append(found)
    main = [found for folder, lists in by_folder.items() if folder.lower() == "main" for found in lists]
    if main or not by_folder:
        return main
    if len(by_folder) > 1:
        folders = ", ".join(f"ImageSets/{folder}".rstrip("/") for folder in sorted(by_folder))
        raise VocError(
            f"There are lists of images in {folders}, and only one folder of them can count: put those "
            "to use into ImageSets/Main."
        )
    return next(iter(by_folder.values()))


def unread(paths: Collection[str], read: Sequence[ImageList]) -> str | None:
    """Return the sentence that names the files below ``ImageSets`` that are not read, None without any."""
    others = sorted(set(paths) - {found.path for found in read})
    if not others:
        return None
    shown = some([f"ImageSets/{path}" for path in others])
    return (
        f"Not read, {len(others)} of the files in ImageSets: {shown}; lists that count lie in "
        "ImageSets/Main and are called train, val, trainval, test or default (.txt)."
    )
