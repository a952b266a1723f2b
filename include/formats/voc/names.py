"""Names of images: what pairs a file with its annotation, and what the lines of a list may mean."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Suffixes that are no part of an image's name. What a file is, its content tells.
IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".png", ".apng", ".webp", ".bmp", ".dib"),
        *(".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl"),
    )
)
ANNOTATION_SUFFIX = ".xml"
_IMAGES_FOLDER = re.compile(r"(^|.*/)jpegimages/", re.IGNORECASE)
_HERE = re.compile(r"^(\./+)+")


def composed(text: str) -> str:
    """A name as it looks, whichever way its accents are stored (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """A name as a careless reader sees it: without case, and with single spaces."""
    return composed(" ".join(composed(text).casefold().split()))


def without_image_suffix(path: str) -> str:
    """Take one known suffix of images away."""
    stem, suffix = posixpath.splitext(path)
    return stem if suffix.lower() in IMAGE_SUFFIXES else path


def pairing_keys(path: str) -> tuple[str, ...]:
    """What the annotation of an image may be called, without its .xml; the usual first.

    Parameters
    ----------
    path
        Of the image, below the folder of images.
    """
    stem, known = posixpath.splitext(path)[0], without_image_suffix(path)
    return tuple(dict.fromkeys(map(composed, (known, path, stem))))


def annotation_key(path: str) -> str:
    """What an annotation is the annotation of: its path without .xml."""
    return composed(path[: -len(ANNOTATION_SUFFIX)])


class NameIndex:
    """Finds the image that a line of a list means.

    A line may be the image's path below ``JPEGImages``, with or without a suffix, with any slashes;
    loosely, it may end with that path or be the end of it. The first of these that finds anything counts; a
    spelling that differs in case, spaces or Unicode form only counts when no exact one is there.

    Parameters
    ----------
    spellings
        For each image, all paths that are its own.
    """

    def __init__(self, spellings: Mapping[str, Iterable[str]]) -> None:
        self._whole: tuple[dict[str, list[str]], ...] = ({}, {})
        self._ends: tuple[dict[str, list[str]], ...] = ({}, {})
        for name, paths in spellings.items():
            for path in dict.fromkeys(paths):
                self._enter(self._whole, path, name)
                for end in list(_ends(path))[1:]:
                    self._enter(self._ends, end, name)

    def find(self, line: str, *, loosely: bool) -> tuple[str, ...]:
        """Return the images that a line may mean: none, one, or several that it does not tell apart."""
        # A backslash may be a letter of the name.
        paths = dict.fromkeys(_HERE.sub("", text).rstrip("/") for text in (line, line.replace("\\", "/")))
        exact = (text for path in paths for text in (path, _IMAGES_FOLDER.sub("", path)))
        found = next(filter(None, (self._look_up(self._whole, text) for text in exact)), ())
        if found or not loosely:
            return found
        shorter = (self._look_up(self._whole, end) for path in paths for end in _ends(path))
        ends = (self._look_up(self._ends, path) for path in paths)
        return next(filter(None, shorter), ()) or next(filter(None, ends), ())

    @staticmethod
    def _look_up(index: tuple[dict[str, list[str]], ...], path: str) -> tuple[str, ...]:
        for bare in dict.fromkeys((path, _without_suffix(path))):
            for form, spell in zip(index, (composed, folded), strict=True):
                if found := form.get(spell(bare)):
                    return tuple(found)
        return ()

    @staticmethod
    def _enter(index: tuple[dict[str, list[str]], ...], path: str, name: str) -> None:
        for form, spell in zip(index, (composed, folded), strict=True):
            names = form.setdefault(spell(path), [])
            if name not in names:
                names.append(name)


def _ends(path: str) -> Iterator[str]:
    parts = path.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _without_suffix(path: str) -> str:
    bare = path[: -len(ANNOTATION_SUFFIX)] if path.lower().endswith(ANNOTATION_SUFFIX) else path
    return without_image_suffix(bare)
