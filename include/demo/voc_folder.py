"""A person's own PASCAL VOC folder, dealt into a bootstrap set, three nights and a holdout.

`ImageSets/Main/test.txt`, where present, is the holdout and `trainval.txt` is dealt; otherwise every fifth
picture, by a hash of its name, is held out. Faulty labels stay as they are: living with them is the
pipeline's job.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from PIL import Image

from include.demo.archive import HOLDOUT_VERSION, Archive, ArchiveError, HoldoutImage, night_names
from include.demo.scenes import TrueBox
from include.formats.voc import VocError, parse_annotation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
HOLDOUT_SHARE = 5
BOOTSTRAP_SHARE = 3
VALIDATION_SHARE = 6
FEWEST_IMAGES = 40


@dataclass(frozen=True)
class _Source:
    """One annotated picture of the folder."""

    stem: str
    image: Path
    annotation: Path


@dataclass(frozen=True)
class Dealt:
    """How many pictures went where, and which could not be used, one sentence each."""

    bootstrap: int
    nights: tuple[int, ...]
    holdout: int
    left_out: tuple[str, ...]


def deal_folder(folder: Path, root: Path, seed: int) -> tuple[Archive, Dealt]:
    """Copy a VOC folder into an archive below `root`.

    Raises `ArchiveError` when the folder is no VOC folder or holds too few annotated pictures.
    """
    sources, left_out = _sources(folder)
    labels = _labels(sources)
    archive = Archive(root, labels, night_names())
    holdout, rest = _split(folder, sources, seed)
    bootstrap, nights = _deal(rest, len(archive.nights), seed)
    for source in bootstrap:
        _copy(archive, source, f"bootstrap/voc/JPEGImages/{source.image.name}")
        archive.write(f"bootstrap/voc/Annotations/{source.stem}.xml", source.annotation.read_bytes())
    held = [source.stem for source in bootstrap[::VALIDATION_SHARE]]
    archive.write_image_sets([s.stem for s in bootstrap if s.stem not in set(held)], held)
    for night, arrived in zip(archive.nights, nights, strict=True):
        for source in arrived:
            _copy(archive, source, f"images/{night}/{source.image.name}")
    for source in holdout:
        key = f"holdout/{HOLDOUT_VERSION}/images/{source.image.name}"
        _copy(archive, source, key)
        with Image.open(source.image) as image:
            archive.holdout.append(HoldoutImage(key, "clean", *image.size, len(image.getbands())))
    dealt = Dealt(len(bootstrap), tuple(len(arrived) for arrived in nights), len(holdout), tuple(left_out))
    return archive, dealt


def _sources(folder: Path) -> tuple[list[_Source], list[str]]:
    for name in ("JPEGImages", "Annotations"):
        if not (folder / name).is_dir():
            raise ArchiveError(
                f"{folder} is not a PASCAL VOC folder: it has no {name} folder; give one that has both."
            )
    images = {path.stem: path for path in sorted((folder / "JPEGImages").iterdir()) if _is_image(path)}
    sources, left_out = [], []
    for stem, image in images.items():
        annotation = folder / "Annotations" / f"{stem}.xml"
        fault = _fault(image, annotation)
        if fault:
            left_out.append(fault)
        else:
            sources.append(_Source(stem, image, annotation))
    if len(sources) < FEWEST_IMAGES:
        raise ArchiveError(
            f"{folder} holds {len(sources)} annotated pictures; the demo needs at least {FEWEST_IMAGES} to "
            "deal a bootstrap set, three nights and a holdout from them."
        )
    return sources, left_out


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _fault(image: Path, annotation: Path) -> str | None:
    """Why nobody can say what is in this picture, or None."""
    if not annotation.is_file():
        return f"{image.name} has no annotation."
    try:
        parse_annotation(annotation.read_bytes(), (), annotation.name)
        with Image.open(image) as opened:
            opened.verify()
    except VocError as error:
        return str(error)
    except (OSError, SyntaxError) as error:
        return f"{image.name} cannot be opened: {error}."
    return None


def _labels(sources: list[_Source]) -> tuple[str, ...]:
    """Every label in the annotations, as spelled there, the most frequent first (then by name)."""
    counts: Counter[str] = Counter()
    for source in sources:
        root = ElementTree.fromstring(source.annotation.read_bytes())
        counts.update(
            name for item in root.iterfind("object") if (name := (item.findtext("name") or "").strip())
        )
    if not counts:
        raise ArchiveError(
            "No annotation of the folder holds an object with a name; there is nothing to learn from."
        )
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def _split(folder: Path, sources: list[_Source], seed: int) -> tuple[list[_Source], list[_Source]]:
    """(holdout, rest): by the folder's own lists when it has a test list, else by a hash of the name."""
    test = _listed(folder, "test")
    if test is not None:
        dealt = _listed(folder, "trainval")
        holdout = [source for source in sources if source.stem in test]
        rest = [s for s in sources if s.stem not in test and (dealt is None or s.stem in dealt)]
        return holdout, rest
    ranked = _shuffled(sources, seed, "holdout")
    count = len(ranked) // HOLDOUT_SHARE
    return ranked[:count], ranked[count:]


def _listed(folder: Path, name: str) -> set[str] | None:
    path = folder / "ImageSets" / "Main" / f"{name}.txt"
    if not path.is_file():
        return None
    return {line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}


def _deal(rest: list[_Source], nights: int, seed: int) -> tuple[list[_Source], list[list[_Source]]]:
    ranked = _shuffled(rest, seed, "deal")
    count = len(ranked) // BOOTSTRAP_SHARE
    return ranked[:count], [ranked[count + night :: nights] for night in range(nights)]


def _shuffled(sources: list[_Source], seed: int, purpose: str) -> list[_Source]:
    """A shuffle by seed and names alone: a picture more changes the order of no others."""

    def rank(source: _Source) -> str:
        return hashlib.sha256(f"{purpose}/{seed}/{source.stem}".encode()).hexdigest()

    return sorted(sources, key=rank)


def _copy(archive: Archive, source: _Source, key: str) -> None:
    archive.write(key, source.image.read_bytes())
    archive.truth[key] = tuple(_boxes(source, archive.labels))


def _boxes(source: _Source, labels: tuple[str, ...]) -> Iterator[TrueBox]:
    for found in parse_annotation(source.annotation.read_bytes(), labels, source.annotation.name).objects:
        left, top = round(found.xmin), round(found.ymin)
        width, height = round(found.xmax) - left, round(found.ymax) - top
        if width > 0 and height > 0:
            yield TrueBox(found.label, left, top, width, height)
