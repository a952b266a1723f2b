"""A person's own PASCAL VOC folder, dealt into a bootstrap set, three nights and a holdout.

The folder is read as `pack` reads one. Its lists to test with, where it has some, name the holdout, and what
its lists to train and validate with name is dealt; without them every fifth picture, by a hash of its name,
is held out, and everything else is dealt. Boxes that cannot be used stay as they are in the annotations:
the pipeline has to cope with them. A picture without any box goes to a night, where it needs none.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.demo.archive import HOLDOUT_VERSION, Archive, ArchiveError, HoldoutImage, night_names
from include.demo.disk_folder import DiskFolder
from include.demo.scenes import TrueBox
from include.formats.voc import VocError, VocFault, VocFolder, annotation_labels, check_xml_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.formats.images import ImageFacts
    from include.formats.voc import Entry, Splits, VocItem, VocObject

HOLDOUT_SHARE = 5
BOOTSTRAP_SHARE = 3
VALIDATION_SHARE = 6
# Of 40, 8 are held out, 10 are the bootstrap set, and 8 of these are one batch to train with.
FEWEST_IMAGES = 40
FEWEST_DEALT = 30


@dataclass(frozen=True)
class _Source:
    """One annotated picture; its paths are below the folder."""

    stem: str
    image: str
    annotation: str
    facts: ImageFacts
    objects: tuple[VocObject, ...]

    @property
    def key(self) -> str:
        """The picture's path below its folder of images."""
        return self.image.partition("/")[2]


@dataclass(frozen=True)
class _Parts:
    """All usable pictures, those held out, the others that may be dealt, and what is left out."""

    sources: list[_Source]
    holdout: list[_Source]
    rest: list[_Source]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Dealt:
    """How many pictures went where, what could not be used, one sentence each, and what else to know."""

    bootstrap: int
    nights: tuple[int, ...]
    holdout: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def deal_folder(folder: Path, root: Path, seed: int) -> tuple[Archive, Dealt]:
    """Copy a VOC folder into an archive below `root`.

    Raises `ArchiveError` when the folder is no VOC folder or holds too few annotated pictures.
    """
    disk = DiskFolder(folder)
    labels = _labels(disk, folder)
    reader = VocFolder(disk, labels)
    try:
        splits = reader.splits()
    except VocError as error:
        raise ArchiveError(f"{folder}: {error}") from error
    sources, left_out, boxes = _sources(disk, reader)
    parts = _split(sources, left_out, splits, seed)
    wrong = reader.tally.cause()
    if wrong:
        raise ArchiveError(f"{folder}: {wrong}")
    wrong = _check_sizes(parts, bool(splits.test))
    if wrong:
        raise ArchiveError(f"{folder} {wrong}.{_example(parts.left_out)}")
    archive = Archive(root, labels, night_names(), left_out=parts.left_out)
    bootstrap, nights = _deal(parts.rest, len(archive.nights), seed)
    for source in bootstrap:
        _copy(archive, disk, source, f"bootstrap/voc/JPEGImages/{source.key}")
        archive.write(f"bootstrap/voc/Annotations/{source.stem}.xml", disk.read(source.annotation))
    held = [source.stem for source in bootstrap[::VALIDATION_SHARE]]
    archive.write_image_sets([s.stem for s in bootstrap if s.stem not in set(held)], held)
    for night, arrived in zip(archive.nights, nights, strict=True):
        for source in arrived:
            _copy(archive, disk, source, f"images/{night}/{source.key}")
    for source in parts.holdout:
        key = f"holdout/{HOLDOUT_VERSION}/images/{source.key}"
        _copy(archive, disk, source, key)
        facts = source.facts
        archive.holdout.append(HoldoutImage(key, "clean", facts.width, facts.height, facts.depth))
    notes = (
        *reader.notes(),
        *(fault.reason for fault in reader.not_read()),
        *splits.notes,
        *_of_boxes(boxes),
        *_of_copies(disk, sources),
    )
    dealt = Dealt(len(bootstrap), tuple(map(len, nights)), len(parts.holdout), parts.left_out, notes)
    return archive, dealt


def _example(left_out: tuple[str, ...]) -> str:
    return f" Left out are {len(left_out)}, for example: {left_out[0]}" if left_out else ""


def _labels(disk: DiskFolder, folder: Path) -> tuple[str, ...]:
    """Every label in the annotations, the most frequent first (then by name)."""
    contents = VocFolder(disk, ()).contents
    disk.left_out.clear()
    entries = contents.entries.values()
    for name, found in (
        ("JPEGImages", any(entry.images for entry in entries)),
        ("Annotations", any(entry.annotations for entry in entries)),
    ):
        if not found:
            inside = {path for file in contents.others if (path := file.path.partition("/JPEGImages/"))[1]}
            hint = f"; DATA={folder / min(inside)[0]} has one" if inside else ""
            raise ArchiveError(
                f"{folder} is not a PASCAL VOC folder: it has no {name} folder with files in it{hint}; give "
                "one that has both."
            )
    counts: Counter[str] = Counter()
    for entry in entries:
        counts.update(label for label in _labels_of(disk, entry))
    if not counts:
        items = (item for name in contents.entries for item in VocFolder(disk, ()).read(name))
        reason = next((item.reason for item in items if isinstance(item, VocFault)), "")
        raise ArchiveError(
            f"{folder} has no annotation with a labelled object that can be used, so there is nothing to "
            f"learn from. {reason}".rstrip()
        )
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def _labels_of(disk: DiskFolder, entry: Entry) -> Iterator[str]:
    if not entry.images:
        return
    for file in entry.annotations:
        try:
            check_xml_bytes(file.size, file.path)
            yield from annotation_labels(disk.read(file.path), file.path)
        except VocError:
            continue  # told when its picture is read


def _sources(disk: DiskFolder, reader: VocFolder) -> tuple[list[_Source], list[str], list[str]]:
    """The usable pictures by name, a sentence for everything else, and one for each faulty box."""
    sources, left_out, boxes = [], [*disk.left_out], []
    for name in reader.entries:
        for item in reader.read(name):
            if not isinstance(item, VocFault):
                sources.append(_source(item))
            elif item.of_image:
                left_out.append(item.reason)
            else:
                boxes.append(item.reason)
    return sources, left_out, boxes


def _of_boxes(faults: list[str]) -> list[str]:
    if not faults:
        return []
    return [f"Boxes that were left out or clamped to their picture: {len(faults)}, for example: {faults[0]}"]


def _of_copies(disk: DiskFolder, sources: list[_Source]) -> list[str]:
    """Say which pictures have equal bytes: `pack` and the training take each of them once."""
    first: dict[str, str] = {}
    copies = []
    for source in sources:
        content = hashlib.sha256(disk.read(source.image)).hexdigest()
        if first.setdefault(content, source.image) != source.image:
            copies.append(f"{source.image} is one of {first[content]}")
    if not copies:
        return []
    return [
        f"Pictures that are copies of another: {len(copies)}, for example: {copies[0]}. Each content is "
        "trained on once, and never if the holdout has it."
    ]


def _source(item: VocItem) -> _Source:
    return _Source(item.name, item.path, item.paths[1], item.facts, item.annotation.objects)


def _split(sources: list[_Source], left_out: list[str], splits: Splits, seed: int) -> _Parts:
    """By the folder's own lists when it has one to test with, else by a hash of the name."""
    tested = set(splits.test)
    listed = {*splits.train, *splits.validation} if splits.train else {s.stem for s in sources} - tested
    left_out += [
        f"{text} is in {its_list} but there is no picture of it." for text, its_list in splits.unknown
    ]
    unlisted = [source for source in sources if source.stem not in listed | tested]
    left_out += [f"{source.image} is in none of the lists that are used." for source in unlisted]
    rest = [source for source in sources if source.stem in listed]
    if tested:
        holdout = [source for source in sources if source.stem in tested]
    else:
        ranked = _shuffled(rest, seed, "holdout")
        count = len(ranked) // HOLDOUT_SHARE
        holdout, rest = ranked[:count], ranked[count:]
    empty = [source for source in holdout if not source.objects]
    left_out += [f"{source.image} has no box to judge a model by and is not held out." for source in empty]
    holdout = [source for source in holdout if source.objects]
    return _Parts(sources, holdout, rest, tuple(left_out))


def _check_sizes(parts: _Parts, has_test_list: bool) -> str | None:
    """What is wrong with the numbers of pictures, as the rest of a sentence about the folder; or None."""
    usable, held, dealt = len(parts.sources), len(parts.holdout), len(parts.rest)
    if not has_test_list and usable < FEWEST_IMAGES:
        return f"holds {usable} annotated pictures; the demo needs at least {FEWEST_IMAGES}"
    if not held:
        return (
            "has no usable picture in its lists to test with, and models are judged by these; correct the "
            "list, or remove it and a fifth of all pictures is held out"
        )
    if dealt < FEWEST_DEALT:
        return f"holds {dealt} annotated pictures besides the {held} held out; the demo needs {FEWEST_DEALT}"
    with_boxes = sum(bool(source.objects) for source in parts.rest)
    if with_boxes < FEWEST_DEALT // BOOTSTRAP_SHARE:
        return f"holds {with_boxes} pictures with boxes besides the {held} held out; annotate more"
    return None


def _deal(rest: list[_Source], nights: int, seed: int) -> tuple[list[_Source], list[list[_Source]]]:
    ranked = _shuffled(rest, seed, "deal")
    bootstrap = [source for source in ranked if source.objects][: len(ranked) // BOOTSTRAP_SHARE]
    taken = {source.stem for source in bootstrap}
    later = [source for source in ranked if source.stem not in taken]
    return bootstrap, [later[night::nights] for night in range(nights)]


def _shuffled(sources: list[_Source], seed: int, purpose: str) -> list[_Source]:
    """A shuffle by seed and names alone: a picture more changes the order of no others."""

    def rank(source: _Source) -> str:
        return hashlib.sha256(f"{purpose}/{seed}/{source.stem}".encode()).hexdigest()

    return sorted(sources, key=rank)


def _copy(archive: Archive, disk: DiskFolder, source: _Source, key: str) -> None:
    archive.write(key, disk.read(source.image))
    archive.truth[key] = tuple(_boxes(source))


def _boxes(source: _Source) -> Iterator[TrueBox]:
    for found in source.objects:
        left, top = round(found.xmin), round(found.ymin)
        width, height = round(found.xmax) - left, round(found.ymax) - top
        if width > 0 and height > 0:
            yield TrueBox(found.label, left, top, width, height)
