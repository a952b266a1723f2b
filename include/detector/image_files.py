"""The files of an image + JSON channel: which image takes which label, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.formats.images import image_kind
from include.formats.voc import leftover

from .errors import TrainingDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path, PurePath

    from .contract import Channel

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_FIRST_BYTES = 16


def image_files(
    images: Channel, annotations: Channel, warn: Callable[[str], None]
) -> Iterator[tuple[Path, PurePath]]:
    """Yield each image with its label file's name below the channel of the labels, in order of their names.

    Parameters
    ----------
    warn
        Called with one sentence each about the files that are left out, how many and why.

    Raises
    ------
    TrainingDataError
        Two images would share one label file.
    """
    taken: dict[PurePath, PurePath] = {}
    misnamed = []
    for name in _files(images, warn):
        if name.suffix.lower() not in _IMAGE_SUFFIXES:
            if _is_image(images.directory / name):
                misnamed.append(name)
            continue
        label = name.with_suffix(".json")
        if label in taken:
            raise TrainingDataError(
                f"Images {taken[label]} and {name} of channel {images.name} have one label, {label} of "
                f"channel {annotations.name}: rename one image, and give it a label of its own."
            )
        taken[label] = name
    labels = [name for name in _files(annotations, warn) if name.suffix.lower() == ".json"]
    orphans = [name for name in labels if name not in taken]
    why = "since their names do not end in .jpg, .jpeg or .png (rename them)"
    _warn_of(warn, f"Images of channel {images.name} left out, {why}", misnamed)
    why = f"since channel {images.name} has no image of the same name"
    _warn_of(warn, f"Labels of channel {annotations.name} left out, {why}", orphans)
    for label, name in taken.items():
        yield images.directory / name, label


def _files(channel: Channel, warn: Callable[[str], None]) -> list[PurePath]:
    """List the regular files of a channel by their names below it, without leftover copies."""
    files: list[PurePath] = []
    copies: list[PurePath] = []
    others: list[PurePath] = []
    for path in sorted(channel.directory.rglob("*")):
        name = path.relative_to(channel.directory)
        if path.is_file():
            (copies if leftover(name.as_posix()) else files).append(name)
        elif not path.is_dir() or name.suffix.lower() in (*_IMAGE_SUFFIXES, ".json"):
            others.append(name)
    why = "since editors and systems leave such copies behind"
    _warn_of(warn, f"Files of channel {channel.name} left out, {why}", copies)
    why = "since they are folders or links to nothing"
    _warn_of(warn, f"Entries of channel {channel.name} not read as files, {why}", others)
    return files


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        return image_kind(file.read(_FIRST_BYTES)) is not None


def _warn_of(warn: Callable[[str], None], what: str, names: Sequence[PurePath]) -> None:
    if names:
        # Quoted with repr(), so that a log can hold any name, even one that is not valid text.
        warn(f"{what}: {len(names)}, for example {str(names[0])!r}.")
