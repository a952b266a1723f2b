"""A PASCAL VOC folder in S3: images with their boxes, and a sentence for everything that cannot be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.formats.voc import FolderFile, VocFault, VocItem
from include.formats.voc import VocFolder as VocReader
from secondlook.failures.exceptions import ManifestError
from secondlook.layout import below
from secondlook.training import Annotation, ManifestLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.formats.voc import Splits, VocAnnotation
    from secondlook.hooks.s3 import ObjectStore

__all__ = ["VocFault", "VocFolder", "VocImage"]

# A VOC folder has no night; the line needs a date that never changes.
NO_NIGHT = "1970-01-01"


@dataclass(frozen=True)
class VocImage:
    """A usable image: bytes as stored, boxes as ratios for RecordIO and in pixels for the manifest."""

    name: str
    data: bytes
    rows: list[tuple[float, float, float, float, float]]
    line: ManifestLine
    paths: tuple[str, ...] = ()


class _FolderInS3:
    """One key's folder as the reader wants it; `etags` are the versions of what was read."""

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store = store
        self._folder = folder
        self.etags: dict[str, str] = {}

    def files(self) -> Iterator[FolderFile]:
        for item in self._store.list_objects(f"{self._folder}/"):
            yield FolderFile(below(self._folder, item.key), item.size)

    def read(self, path: str) -> bytes:
        data, self.etags[path] = self._store.read(f"{self._folder}/{path}")
        return data

    def address(self, path: str) -> str:
        return self._store.uri(f"{self._folder}/{path}")


class VocFolder:
    """``JPEGImages``, ``Annotations`` and, optionally, ``ImageSets/Main`` below one key.

    :param store: the bucket.
    :param folder: key of the folder, without a slash at its end.
    :param labels: label names, index = class id.
    """

    def __init__(self, store: ObjectStore, folder: str, labels: tuple[str, ...]) -> None:
        self._source = _FolderInS3(store, folder)
        self._labels = labels
        self.reader = VocReader(self._source, labels)
        entries = self.reader.entries
        self.images = {name: entry.images[0] for name, entry in entries.items() if entry.images}
        self.annotations = {
            name: entry.annotations[0] for name, entry in entries.items() if entry.annotations
        }

    def splits(self) -> dict[str, tuple[str, ...]]:
        """Names for ``train``, ``validation`` and ``test`` by ``ImageSets``; all empty without lists.

        Raises
        ------
        VocError
            A name is in two splits, or a list cannot be read.
        """
        found = self.lists()
        return {"train": found.train, "validation": found.validation, "test": found.test}

    def lists(self) -> Splits:
        """What the lists say, with sentences for the log. Raises as above."""
        return self.reader.splits()

    def read(
        self, names: tuple[str, ...], *, job_name: str, part: str | None
    ) -> Iterator[VocImage | VocFault]:
        """Yield, name by name, the image or what is wrong with it, and a fault for each box left out.

        :param job_name: origin of the lines.
        :param part: the holdout's slice, None for training data.
        """
        for name in names:
            self._source.etags.clear()
            for item in self.reader.read(name):
                yield self._image(item, job_name, part) if isinstance(item, VocItem) else item

    def _image(self, item: VocItem, job_name: str, part: str | None) -> VocImage | VocFault:
        address, annotation = self._source.address(item.path), item.annotation
        try:
            line = ManifestLine(
                image=address,
                width=annotation.width,
                height=annotation.height,
                depth=annotation.depth,
                annotations=_pixel_boxes(annotation),
                labels=self._labels,
                night=NO_NIGHT,
                job_name=job_name,
                etag=self._source.etags[item.path],
                slice=part,
                sha256=hashlib.sha256(item.data).hexdigest(),
            )
        except ManifestError as error:
            return VocFault(address, "nothing-to-label", str(error), item.paths)
        return VocImage(item.name, item.data, annotation.rows(), line, item.paths)


def _pixel_boxes(annotation: VocAnnotation) -> tuple[Annotation, ...]:
    boxes = []
    for found in annotation.objects:
        left, top = int(found.xmin), int(found.ymin)
        boxes.append(
            Annotation(
                left=left,
                top=top,
                width=max(round(found.xmax) - left, 1),
                height=max(round(found.ymax) - top, 1),
                class_id=found.class_id,
            )
        )
    return tuple(boxes)
