"""The lists of ``ImageSets/Main``: which images train, validate and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import VocError

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_image_set(text: bytes, source: str) -> tuple[str, ...]:
    """Return the image names (without extension) of one ``ImageSets/Main/<set>.txt``, in its order.

    A class-specific set has a second column (1, 0 or -1); names marked -1 do not belong to it.

    :raises VocError: when the file is not UTF-8 text or a name holds a path
    """
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise VocError(f"{source} is not a list of image names in UTF-8.") from error
    names: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if not columns or columns[1:] == ["-1"]:
            continue
        if "/" in columns[0] or "\\" in columns[0] or columns[0].startswith("."):
            raise VocError(f"{source}, line {number}: {columns[0]!r} is a path, not the name of an image.")
        names[columns[0]] = None
    return tuple(names)


def split_names(image_sets: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    """Sort image names into train, validation and test by the files of ``ImageSets/Main``.

    :param image_sets: set name -> bytes of its file; ``train``, ``val``, ``trainval`` and ``test`` are used
    :return: ``train``, ``validation`` and ``test``, each a tuple of names and possibly empty; without
        ``train.txt`` the training images are those of ``trainval.txt`` that are not in ``val.txt``
    :raises VocError: when a name is in two splits, which would let a model be tested on what it learned
    """
    sets = {name: parse_image_set(text, f"{name}.txt") for name, text in sorted(image_sets.items())}
    validation, test = sets.get("val", ()), sets.get("test", ())
    train = sets.get("train", ()) or tuple(
        name for name in sets.get("trainval", ()) if name not in set(validation)
    )
    splits = {"train": train, "validation": validation, "test": test}
    seen: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            if name in seen:
                raise VocError(
                    f"Image {name} is in the {seen[name]} set and in the {split} set; it may be in one only."
                )
            seen[name] = split
    return splits
