"""A PASCAL VOC folder, on disk or in S3: every file below it is used or reported in a sentence, once.

An image and its annotation are paired by their paths below ``JPEGImages`` and ``Annotations``:
``JPEGImages/cam1/a.jpg`` belongs to ``Annotations/cam1/a.xml``, and to no ``a.xml`` elsewhere. The
content of an image decides about its kind, not its suffix, and the annotation's ``<filename>`` is ignored:
renamed sets keep the old one.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING

from include.formats.images import UnusableImageError, check_bytes, check_kind, inspect_image

from .annotation import parse_annotation
from .contents import Contents
from .errors import VocError
from .items import VocFault, VocItem
from .lists import lists_like, lists_to_read, names_a_test, unread, unread_test
from .names import IMAGE_SUFFIXES, NameIndex, folded
from .sizes import size_fault
from .splits import Splits, check_list_bytes, read_splits
from .tally import BoxTally
from .xml_file import check_xml_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .contents import Entry, FolderFile
    from .items import Source


class VocFolder:
    """``JPEGImages``, ``Annotations`` and, optionally, ``ImageSets/Main`` of one source.

    Parameters
    ----------
    source
        Where its files are read from.
    labels
        Label names, index = class id.
    """

    def __init__(self, source: Source, labels: Sequence[str]) -> None:
        self._source = source
        self._labels = tuple(labels)
        self._contents = Contents.of(source.files())
        self.tally = BoxTally()

    @property
    def contents(self) -> Contents:
        """Its files, sorted."""
        return self._contents

    @property
    def entries(self) -> dict[str, Entry]:
        """Images and annotations by name, in the order of the names."""
        return self._contents.entries

    def splits(self) -> Splits:
        """Names by their use, by the lists of ``ImageSets``; all empty without lists.

        Raises
        ------
        VocError
            See `read_splits`; also when a list is there twice, or a file beside the folders may name test
            images.
        """
        lists = self._contents.lists
        if self._contents.second_lists:
            path, second = next(iter(self._contents.second_lists.items()))
            raise VocError(
                f"{lists[path].path} and {second.path} may say different things: keep one of them."
            )
        for file in self._contents.others:
            if "/" not in file.path and lists_like(file.path) and names_a_test(file.path):
                raise unread_test(file.path)
        chosen = lists_to_read(lists)
        index = NameIndex({name: entry.spellings for name, entry in self.entries.items()})
        found = read_splits(chosen, self._read_list, index)
        left = unread(tuple(lists), chosen)
        notes = (*found.notes, *((left,) if left else ()))
        return Splits(found.train, found.validation, found.test, found.kept_back, found.unknown, notes)

    def _read_list(self, path: str) -> bytes:
        file = self._contents.lists[path]
        check_list_bytes(file.size, file.path)
        return self._source.read(file.path)

    def notes(self) -> list[str]:
        """Sentences about files that hold no data."""
        skipped = Counter(kind for _, kind in self._contents.leftovers)
        if not skipped:
            return []
        kinds = ", ".join(f"{kind} ({count})" for kind, count in skipped.most_common(8))
        return [f"Skipped {skipped.total()} files that editors and systems leave behind: {kinds}."]

    def not_read(self) -> list[VocFault]:
        """One fault for each kind of file that is neither image, annotation nor list."""
        return [
            VocFault(self._source.address(place), "not-read", reason, paths)
            for place, reason, paths in self._contents.strays()
        ]

    def read(self, name: str) -> Iterator[VocItem | VocFault]:
        """Yield the image of a name or what is wrong with it, and a fault for each box left out.

        Every file of the name is in the ``paths`` of exactly one of what is yielded, boxes apart.
        """
        entry = self.entries.get(name)
        if entry is None:
            address = self._source.address(f"{self._contents.images_folder}/{name}")
            reason = f"{name} is listed but there is no image of it: upload or unlist it."
            yield VocFault(address, "no-image", reason)
            return
        images: list[FolderFile] = []
        read: dict[str, bytes] = {}
        for file in entry.images:
            fault = self._not_an_image(file, entry, read)
            if fault:
                yield fault
            else:
                images.append(file)
        if not images and (len(entry.images) == 1 or not entry.annotations):
            return
        faults = self._pairing_faults(entry, images)
        if faults:
            yield from faults
        else:
            yield from self._read_pair(entry, images[0], read.get(images[0].path))

    def _not_an_image(self, file: FolderFile, entry: Entry, read: dict[str, bytes]) -> VocFault | None:
        """A fault if the file is no image; it is read only where its name leaves doubt."""
        suffix = posixpath.splitext(file.path)[1].lower()
        if suffix in IMAGE_SUFFIXES and len(entry.images) == 1:
            return None
        try:
            check_bytes(file.size)
            read[file.path] = self._source.read(file.path)
            check_kind(read[file.path])
        except (UnusableImageError, VocError) as error:
            # The annotation is dropped only with the single image it belongs to.
            paths = (file.path, *(entry.annotation_paths if len(entry.images) == 1 else ()))
            return self._unusable(file, error, paths)
        return None

    def _unusable(
        self, file: FolderFile, error: UnusableImageError | VocError, paths: tuple[str, ...]
    ) -> VocFault:
        address = self._source.address(file.path)
        if isinstance(error, VocError):
            return VocFault(address, "unreadable", str(error), paths)
        return VocFault(address, error.code, f"{address} {error}.", paths)

    def _pairing_faults(self, entry: Entry, images: list[FolderFile]) -> list[VocFault]:
        """What keeps an entry from being one image with one annotation."""
        annotations = entry.annotation_paths
        if not images:
            hint = self._elsewhere(self._contents.alone_images, entry.name)
            return [
                self._alone(path, "no-image", f"has no image: upload or remove it{hint}")
                for path in annotations
            ]
        if not annotations:
            hint = self._elsewhere(self._contents.alone_annotations, entry.name)
            wanted = f"{self._contents.annotations_folder}/{entry.name}.xml"
            what = f"has no file {wanted}: add one{hint}"
            return [self._alone(file.path, "no-annotation", what) for file in images]
        if len(images) > 1:
            both = " and ".join(file.path for file in images)
            reason = (
                f"{both} share {annotations[0]}: keep one image, or name each annotation after its image."
            )
            return self._for_all(images, annotations, "two-images", reason)
        if len(annotations) > 1:
            reason = f"{images[0].path} has {' and '.join(annotations)}: keep one annotation."
            return self._for_all(images, annotations, "two-annotations", reason)
        return []

    def _alone(self, path: str, code: str, what: str) -> VocFault:
        address = self._source.address(path)
        return VocFault(address, code, f"{address} {what}.", (path,))

    def _for_all(
        self, images: list[FolderFile], annotations: tuple[str, ...], code: str, reason: str
    ) -> list[VocFault]:
        """The same fault for each image, the annotations accounted for by the first."""
        return [
            VocFault(
                self._source.address(file.path), code, reason, (file.path, *(() if number else annotations))
            )
            for number, file in enumerate(images)
        ]

    @staticmethod
    def _elsewhere(alone: dict[str, list[str]], name: str) -> str:
        """Name the one file without partner that has the same name in another folder."""
        found = alone.get(folded(posixpath.basename(name)), ())
        return f" (or move {found[0]}: files are paired by their paths)" if len(found) == 1 else ""

    def _read_pair(self, entry: Entry, file: FolderFile, data: bytes | None) -> Iterator[VocItem | VocFault]:
        paths = (file.path, *entry.annotation_paths)
        address = self._source.address(file.path)
        xml = entry.annotations[0]
        try:
            check_xml_bytes(xml.size, self._source.address(xml.path))
            annotation = parse_annotation(
                self._source.read(xml.path), self._labels, self._source.address(xml.path)
            )
        except VocError as error:
            yield VocFault(address, "bad-annotation", str(error), paths)
            return
        try:
            check_bytes(file.size)
            data = self._source.read(file.path) if data is None else data
            facts = inspect_image(data)
        except (UnusableImageError, VocError) as error:
            yield self._unusable(file, error, paths)
            return
        mismatch = size_fault(address, facts, annotation)
        if mismatch:
            # Its boxes were not drawn on these pixels: their faults say nothing about the set.
            yield VocFault(address, *mismatch, paths)
            return
        self.tally.add(annotation)
        for fault in annotation.faults:
            yield VocFault(address, "box", fault)
        if annotation.left_out and not annotation.objects:
            count = len(annotation.left_out)
            reason = f"{address} keeps none of its {count} boxes, for example: {annotation.faults[0]}"
            yield VocFault(address, "nothing-to-label", reason, paths)
        else:
            yield VocItem(entry.name, file.path, data, facts, annotation, paths)
