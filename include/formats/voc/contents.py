"""Sorts the files of a PASCAL VOC folder by their names alone: pairs, lists, and the rest."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .leftovers import leftover
from .lists import ImageList
from .names import ANNOTATION_SUFFIX, annotation_key, folded, pairing_keys, without_image_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IMAGES, ANNOTATIONS, SETS = "JPEGImages", "Annotations", "ImageSets"


@dataclass(frozen=True, order=True)
class FolderFile:
    """One file: its path below the folder, with slashes, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Entry:
    """The files of one name: one image and one annotation when all is well."""

    name: str
    images: tuple[FolderFile, ...]
    annotations: tuple[FolderFile, ...]

    @property
    def annotation_paths(self) -> tuple[str, ...]:
        """The paths of its annotations."""
        return tuple(file.path for file in self.annotations)

    @property
    def spellings(self) -> Iterator[str]:
        """What a list may call it: its name, and the paths of its files below their folders."""
        yield self.name
        for file in (*self.images, *self.annotations):
            yield _below(file.path)


@dataclass
class Contents:
    """All files of a folder; each is in one of ``entries``, ``lists``, ``leftovers`` and ``others``.

    ``lists`` are by path below ``ImageSets``; a second file of the same path, below ``imagesets``, is in
    ``others`` and ``second_lists``. ``leftovers`` come with what marks them as such. ``alone_images`` and
    ``alone_annotations`` are files that found no partner, by the last part of their name.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    lists: dict[str, FolderFile] = field(default_factory=dict)
    second_lists: dict[str, FolderFile] = field(default_factory=dict)
    leftovers: list[tuple[FolderFile, str]] = field(default_factory=list)
    others: list[FolderFile] = field(default_factory=list)
    alone_images: dict[str, list[str]] = field(default_factory=dict)
    alone_annotations: dict[str, list[str]] = field(default_factory=dict)
    images_folder: str = IMAGES
    annotations_folder: str = ANNOTATIONS

    @classmethod
    def of(cls, files: Iterable[FolderFile]) -> Contents:
        """Sort the files of a folder; the names of its three folders may be in any case."""
        contents = cls()
        images, annotations = [], []
        for file in sorted(files):
            folder, separator, below = file.path.partition("/")
            mark = leftover(file.path)
            if mark:
                contents.leftovers.append((file, mark))
            elif separator and folder.lower() == IMAGES.lower():
                contents.images_folder = folder
                images.append(file)
            elif separator and folder.lower() == ANNOTATIONS.lower() and _is_annotation(below):
                contents.annotations_folder = folder
                annotations.append(file)
            elif separator and folder.lower() == SETS.lower() and below not in contents.lists:
                contents.lists[below] = file
            else:
                if separator and folder.lower() == SETS.lower():
                    contents.second_lists[below] = file
                contents.others.append(file)
        contents._pair(images, annotations)
        return contents

    def _pair(self, images: list[FolderFile], annotations: list[FolderFile]) -> None:
        described: dict[str, list[FolderFile]] = defaultdict(list)
        for file in annotations:
            described[annotation_key(_below(file.path))].append(file)
        shown: dict[str, list[FolderFile]] = defaultdict(list)
        for file in images:
            keys = pairing_keys(_below(file.path))
            there = [key for key in keys if key in described]
            shown[there[0] if there else keys[0]].append(file)
            for other in there[1:]:
                # a.xml and a.jpg.xml both speak of a.jpg; but scan.xml is not scan.v2's when scan.v2.xml is.
                if other == keys[1] and without_image_suffix(file.path) != file.path:
                    described[there[0]] += described.pop(other)
        self._pair_by_case(shown, described)
        for name in sorted({*shown, *described}):
            self.entries[name] = Entry(name, tuple(shown.get(name, ())), tuple(described.get(name, ())))
        self.alone_images = _by_last_part(shown, described)
        self.alone_annotations = _by_last_part(described, shown)
        for file in filter(lambda file: _is_annotation(file.path), images):
            # labelImg saves annotations beside the images unless it is told otherwise.
            name = file.path[: -len(ANNOTATION_SUFFIX)]
            self.alone_annotations.setdefault(folded(posixpath.basename(name)), []).append(file.path)

    @staticmethod
    def _pair_by_case(shown: dict[str, list[FolderFile]], described: dict[str, list[FolderFile]]) -> None:
        """Let names that differ in case or spaces only find each other where no exact partner is there."""
        lonely: dict[str, list[str]] = defaultdict(list)
        for key in sorted(described.keys() - shown.keys()):
            lonely[folded(key)].append(key)
        for name in sorted(shown.keys() - described.keys()):
            for key in lonely.pop(folded(name), ()):
                described[name] += described.pop(key)

    def strays(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield the files that no reader looks at, by folder and suffix: where, a sentence, the paths."""
        by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
        for file in self.others:
            folder, separator, below = file.path.partition("/")
            suffix = posixpath.splitext(below)[1].lower() or "without suffix"
            by_place[(folder, suffix) if separator else (file.path, "")].append(file.path)
        for (place, suffix), paths in sorted(by_place.items()):
            what = f"{place}, {len(paths)} of its files ({suffix})" if suffix else place
            if place.lower() == ANNOTATIONS.lower():
                rule = "an annotation is a PASCAL VOC XML file (.xml)"
            elif ImageList.of(paths[0]).use:
                rule = f"lists of images lie in {SETS}/Main"
            else:
                rule = f"a data set is {IMAGES}, {ANNOTATIONS} and {SETS}/Main"
            yield place, f"{what}: not read; {rule}.", tuple(paths)


def _is_annotation(path: str) -> bool:
    return path.lower().endswith(ANNOTATION_SUFFIX)


def _below(path: str) -> str:
    return path.partition("/")[2]


def _by_last_part(
    names: dict[str, list[FolderFile]], partners: dict[str, list[FolderFile]]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, files in names.items():
        if name not in partners:
            found[folded(posixpath.basename(name))] += [file.path for file in files]
    return dict(found)
