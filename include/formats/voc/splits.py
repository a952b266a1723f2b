"""What the lists of ``ImageSets/Main`` say: which images train, validate and test. One image a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from include.formats.text import decode_text, is_plain, some

from .errors import VocError
from .lists import ImageList, Use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .names import NameIndex

MAX_LIST_BYTES = 64 * 1024 * 1024
# What S3 allows for a key.
MAX_NAME_LENGTH = 1024
_FLAG = re.compile(r"(.*\S)\s+(-1|\+?1|0)", re.DOTALL)
_QUOTED = re.compile(r'"([^"]+)"(?:\s+(-1|\+?1|0))?')
_LINE = re.compile(r"\r\n|\r|\n")


@dataclass
class _Listed:
    """What the lists of one use name, in their order: name or unknown text -> the list that names it."""

    chosen: dict[str, str] = field(default_factory=dict)
    not_of_class: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, str]:
        return {**self.not_of_class, **self.chosen}


@dataclass(frozen=True)
class Splits:
    """Names of images by their use.

    ``unknown`` are lines without an image, each with its list; they are in ``train`` and ``validation``, too,
    but in no other field. ``kept_back`` is everything that a list of validation or test names, even as not of
    its class: nothing of it is trained on. ``notes`` are sentences for the log.
    """

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    kept_back: frozenset[str] = frozenset()
    unknown: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_splits(lists: Sequence[ImageList], read: Callable[[str], bytes], index: NameIndex) -> Splits:
    """Sort images into splits by the lists.

    Without a list to train from, the training images are those of ``trainval`` that are in no other; without
    one to validate with, the validation images are those of ``trainval`` that are not in ``train``.

    Parameters
    ----------
    read
        Gives the bytes of a list by its path.
    index
        Finds the images that a line may mean.

    Raises
    ------
    VocError
        A list is no text, a line may mean several images, an image is in two splits, or a line to test with
        has no image and could be one that is trained on.
    """
    listed, unknown, notes = _Lines(read, index).gather(lists)
    pool, train, validation = listed[Use.POOL].chosen, listed[Use.TRAIN].chosen, listed[Use.VALIDATION].chosen
    if not train:
        train = {name: source for name, source in pool.items() if name not in listed[Use.VALIDATION].all}
    elif not validation:
        validation = {name: source for name, source in pool.items() if name not in train}
    test = listed[Use.TEST].all
    listed_elsewhere = {name for use in Use if use is not Use.POOL for name in listed[use].all}
    # Without a list to train from or one to validate with, the pool fills its place.
    spare = pool.keys() - listed_elsewhere - train.keys() - validation.keys() - dict(unknown).keys()
    if spare:
        sources = some(sorted({pool[name] for name in spare}))
        notes.append(
            f"Not used, {len(spare)} of the images in {sources}: {some(sorted(spare))}; such a list is not "
            "read beside one to train from and one to validate with."
        )
    _refuse_overlap({"train": train, "validation": validation, "test": test})
    lost = [(text, test[text]) for text, _ in unknown if text in test]
    if lost and not train:
        raise VocError(
            f"{lost[0][1]} names {lost[0][0]!r}, of which there is no image, and without a list to train "
            "from every other image would be trained on: correct the name, or add ImageSets/Main/train.txt."
        )
    if lost:
        shown = some([text for text, _ in lost])
        notes.append(f"{len(lost)} names of lists to test with have no image: {shown}.")
    return Splits(
        tuple(train),
        tuple(validation),
        tuple(name for name in test if name not in dict(lost)),
        frozenset({**test, **listed[Use.VALIDATION].all}),
        tuple(unknown),
        tuple(notes),
    )


class _Lines:
    """Reads lists and finds what their lines mean."""

    def __init__(self, read: Callable[[str], bytes], index: NameIndex) -> None:
        self._read = read
        self._index = index
        self._unknown: dict[str, str] = {}

    def gather(
        self, lists: Sequence[ImageList]
    ) -> tuple[dict[Use, _Listed], list[tuple[str, str]], list[str]]:
        """Return what each use names, the lines without an image, and notes."""
        listed = {use: _Listed() for use in Use}
        whole = {found.use for found in lists if not found.of_one_class}
        notes, spare = [], []
        for found in lists:
            if found.use is None:
                continue
            if found.of_one_class and found.use in whole and found.use is not Use.TEST:
                spare.append(found.source)
                continue
            before = len(listed[found.use].all)
            self._add(found, listed[found.use])
            if before == 0 == len(listed[found.use].all):
                notes.append(f"{found.source} names no image.")
        if spare:
            notes.append(
                f"{len(spare)} lists of one class are not needed beside the list of all: {some(spare)}."
            )
        return listed, list(self._unknown.items()), notes

    def _add(self, found: ImageList, listed: _Listed) -> None:
        for number, line in enumerate(_lines(self._read(found.path), found.source), start=1):
            text = line.strip().strip("\ufeff\x1a\0").strip()
            if not text:
                continue
            names, of_class = self._meaning(text, found, f"{found.source}, line {number}")
            for name in names:
                if of_class:
                    listed.not_of_class.pop(name, None)
                    listed.chosen.setdefault(name, found.source)
                elif name not in listed.chosen:
                    listed.not_of_class.setdefault(name, found.source)

    def _meaning(self, text: str, found: ImageList, where: str) -> tuple[tuple[str, ...], bool]:
        """The images of a line, and whether they are of the list's class.

        The whole line is tried first; in a list of one class, the line without the flag.
        """
        quoted, flagged = _QUOTED.fullmatch(text), _FLAG.fullmatch(text)
        readings = [(match[1], match[2]) for match in (quoted, flagged) if match]
        readings.insert(len(readings) if found.of_one_class else 0, (text, None))
        for loosely, (name, flag) in product((False, True), readings):
            images = self._index.find(name, loosely=loosely) if len(name) <= MAX_NAME_LENGTH else ()
            if len(images) > 1 and found.use is not Use.TEST:
                raise VocError(
                    f"{where}: {name!r} may be any of {some(images)}; write the path below JPEGImages."
                )
            if images:
                return images, flag != "-1"
        if text.startswith("#"):
            return (), True
        name, flag = readings[0] if found.of_one_class else readings[-1]
        self._unknown.setdefault(name[:MAX_NAME_LENGTH], found.source)
        return (name[:MAX_NAME_LENGTH],), flag != "-1"


def check_list_bytes(size: int, source: str) -> None:
    """Refuse a list by its size alone.

    Raises
    ------
    VocError
        It is larger than a list of millions of images.
    """
    if size > MAX_LIST_BYTES:
        raise VocError(f"{source} has {size} bytes; a list of images has at most {MAX_LIST_BYTES}.")


def _lines(data: bytes, source: str) -> list[str]:
    try:
        text = decode_text(data)
    except UnicodeError:
        text = "\0"
    if not is_plain(text.rstrip("\0")) or text == "\0":
        raise VocError(f"{source} is not a text file with one image name a line; write it as UTF-8 text.")
    return _LINE.split(text)


def _refuse_overlap(splits: dict[str, dict[str, str]]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for split, names in splits.items():
        for name, source in names.items():
            if name in seen:
                other, its_list = seen[name]
                raise VocError(
                    f"Image {name} is in the {other} set ({its_list}) and in the {split} set ({source}); it "
                    "may be in one only, or a model would be judged by what it learned."
                )
            seen[name] = (split, source)
