"""The files of ``ImageSets``: which of them are lists that count, and what each is for.

A list's name says what it is for, in any case: ``train``, ``val`` (``valid``,
``validation``), ``test``, and ``trainval`` or CVAT's ``default`` for what is still to be split.
``<class>_train`` and the like are VOC's lists of one class, with 1, 0 (difficult) or -1 (not in the image)
behind each name; they count where there is no list for all classes. Any list with ``test`` as a word of its
name is one to test with. Its images are never trained on, whichever list names them.
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


class Use(Enum):
    """What a list is for; the value is how sentences call it."""

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
_OF_A_TEST = re.compile(
    r"(.*[^a-z])?(tests?|testset|testing|testdata|holdout|held[_-]?out)([^a-z].*)?", re.DOTALL
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
        """Tell the use from the file's name."""
        stem, suffix = _stem(posixpath.basename(path))
        if suffix:
            return cls(path, None, False)
        if stem in _USES:
            return cls(path, _USES[stem], False)
        found = _OF_ONE_CLASS.fullmatch(stem)
        if found:
            return cls(path, _USES[found[1]], True)
        return cls(path, Use.TEST if _OF_A_TEST.fullmatch(stem) else None, False)

    @property
    def source(self) -> str:
        """What to call the list in sentences."""
        return f"ImageSets/{self.path}"


def _stem(name: str) -> tuple[str, str]:
    """The name in lower case without the suffixes of lists, and the foreign suffix that is left, if any."""
    stem = name.lower().strip()
    while (split := posixpath.splitext(stem))[1] in _SUFFIXES:
        stem = split[0].strip()
    return stem, posixpath.splitext(stem)[1]


def lists_to_read(paths: Iterable[str]) -> list[ImageList]:
    """Choose, of the files below ``ImageSets``, the lists that count.

    Those of ``Main``; where it has none, those of the only other folder that has some.

    :param paths: with slashes, below ``ImageSets``
    :raises VocError: when several other folders have some
    """
    by_folder: dict[str, list[ImageList]] = {}
    for path in sorted(paths):
        found = ImageList.of(path)
        folder = posixpath.dirname(path)
        # Lists of VOC's other tasks.
        if found.use and folder.lower().split("/")[0] not in ("layout", "segmentation", "action", "person"):
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
