"""A PASCAL VOC folder in S3: images with their boxes, and a sentence for everything that cannot be used."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondlook.errors import ManifestError
from secondlook.hooks.image_files import decoded_size
from secondlook.training import Annotation, ManifestLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.formats.voc import VocAnnotation
    from secondlook.hooks.store import Content, ObjectStore, StoredObject

# A VOC folder has no night; the line needs a date that never changes.
NO_NIGHT = "1970-01-01"
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class VocImage:
    """A usable image: bytes as stored, boxes as ratios for RecordIO and in pixels for the manifest."""

    name: str
    data: bytes
    rows: list[tuple[float, float, float, float, float]]
    line: ManifestLine


@dataclass(frozen=True)
class VocFault:
    """Something that is left out. ``code`` is ``box`` when only a box of an image is."""

    image: str
    code: str
    reason: str

    def to_record(self) -> dict[str, Any]:
        """Return the line of rejected.jsonl."""
        return {"image": self.image, "code": self.code, "reason": self.reason}


class VocFolder:
    """``JPEGImages``, ``Annotations`` and, optionally, ``ImageSets/Main`` below one key.

    :param store: the bucket.
    :param folder: key of the folder, without a slash at its end.
    :param labels: label names, index = class id.
    """

    def __init__(self, store: ObjectStore, folder: str, labels: tuple[str, ...]) -> None:
        self._store = store
        self._folder = folder
        self._labels = labels
        self.images = self._by_stem("JPEGImages", _IMAGE_SUFFIXES)
        self.annotations = self._by_stem("Annotations", (".xml",))

    def splits(self) -> dict[str, tuple[str, ...]]:
        """Names for ``train``, ``validation`` and ``test`` by ``ImageSets/Main``; all empty without it.

        Raises
        ------
        VocError
            A name is in two splits, or a file is no list of names.
        """
        from include.formats.voc import split_names

        sets = self._by_stem("ImageSets/Main", (".txt",))
        known = {name: sets[name] for name in ("train", "val", "trainval", "test") if name in sets}
        return split_names({name: self._store.read(item.key)[0] for name, item in known.items()})

    def read(
        self, names: tuple[str, ...], *, job_name: str, part: str | None
    ) -> Iterator[VocImage | VocFault]:
        """Yield, name by name, the image or what is wrong with it, and a fault for each box left out.

        :param job_name: origin of the lines.
        :param part: the holdout's slice, None for training data.
        """
        for name in names:
            yield from self._read_one(name, job_name, part)

    def _read_one(self, name: str, job_name: str, part: str | None) -> Iterator[VocImage | VocFault]:
        from include.formats.voc import VocError, parse_annotation

        item, xml = self.images.get(name), self.annotations.get(name)
        address = self._store.uri(item.key if item else f"{self._folder}/JPEGImages/{name}")
        if item is None:
            yield VocFault(
                address, "no-image", f"{name} is listed but there is no image of it: upload or unlist it."
            )
            return
        if xml is None:
            yield VocFault(
                address, "no-annotation", f"{address} has no file Annotations/{name}.xml: add one."
            )
            return
        try:
            annotation = parse_annotation(
                self._store.read(xml.key)[0], self._labels, self._store.uri(xml.key)
            )
        except VocError as error:
            yield VocFault(address, "bad-annotation", str(error))
            return
        for fault in annotation.faults:
            yield VocFault(address, "box", fault)
        content = self._store.read(item.key)
        yield self._image(name, address, content, annotation, job_name, part)

    def _image(
        self,
        name: str,
        address: str,
        content: Content,
        annotation: VocAnnotation,
        job_name: str,
        part: str | None,
    ) -> VocImage | VocFault:
        size = decoded_size(content.data)
        if size is None:
            return VocFault(
                address, "unreadable", f"{address} cannot be decoded as JPEG or PNG: upload it again."
            )
        if size != (annotation.width, annotation.height):
            return VocFault(
                address,
                "image-size-mismatch",
                f"{address} has {size[0]}x{size[1]} px, its annotation says {annotation.width}x"
                f"{annotation.height}: correct the annotation's <size>.",
            )
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
                etag=content.etag,
                slice=part,
                sha256=content.sha256,
            )
        except ManifestError as error:
            return VocFault(address, "nothing-to-label", str(error))
        return VocImage(name, content.data, annotation.rows(), line)

    def _by_stem(self, part: str, suffixes: tuple[str, ...]) -> dict[str, StoredObject]:
        found = {}
        for item in self._store.list_objects(f"{self._folder}/{part}/"):
            stem, suffix = posixpath.splitext(posixpath.basename(item.key))
            if suffix.lower() in suffixes:
                found[stem] = item
        return found


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
