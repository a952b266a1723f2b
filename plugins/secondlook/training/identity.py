"""Identity of images: by address and by content, because a copy under another name is the same image.

A model that has learned a copy of a holdout image has seen the holdout. ETags cannot tell: equal bytes have
different ones with SSE-KMS, SSE-C and multipart uploads. So content is compared by SHA-256 only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from secondlook import jsonl
from secondlook.failures.exceptions import ManifestError
from secondlook.training.manifest import SOURCE_ATTRIBUTE
from secondlook.training.manifest_reader import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.training.manifest import ManifestLine


class Image(Protocol):
    """Anything that identifies an image."""

    @property
    def image(self) -> str:
        """The address."""

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the bytes; None when they were not read."""


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image as a manifest names it: address, version, SHA-256; None for what it does not say."""

    image: str
    etag: str | None
    sha256: str | None


@dataclass(frozen=True)
class ImageIdentities:
    """A set of images, by address and by content."""

    addresses: frozenset[str]
    contents: frozenset[str]

    @classmethod
    def of(cls, images: Iterable[Image]) -> ImageIdentities:
        """Collect the identities of all images.

        Raises
        ------
        ManifestError
            The content of one is unknown.
        """
        known = [(image.image, _content(image)) for image in images]
        return cls(frozenset(address for address, _ in known), frozenset(content for _, content in known))

    def __contains__(self, image: Image) -> bool:
        return image.image in self.addresses or _content(image) in self.contents

    def __or__(self, other: ImageIdentities) -> ImageIdentities:
        return ImageIdentities(self.addresses | other.addresses, self.contents | other.contents)


NO_IMAGES = ImageIdentities(frozenset(), frozenset())


def named_images(data: bytes, *, source: str) -> tuple[NamedImage, ...]:
    """Return the image that each line of a manifest names, whatever else the line says.

    Raises
    ------
    RecordError
        A line is not JSON.
    ManifestError
        A line names no image, or its SHA-256 is malformed.
    """
    images = []
    for number, record in jsonl.decode_numbered(data, source=source):
        address, etag = record.get(SOURCE_ATTRIBUTE), record.get("etag")
        if not isinstance(address, str):
            raise ManifestError(f"line {number} of {source} has no {SOURCE_ATTRIBUTE}: name the image.")
        try:
            images.append(NamedImage(address, None if etag is None else str(etag), sha256_of(record)))
        except ManifestError as error:
            raise ManifestError(f"line {number} of {source}: {error}") from error
    return tuple(images)


def latest(lines: Iterable[ManifestLine]) -> tuple[ManifestLine, ...]:
    """Return one line for each image, the last one about it; copies are the same image."""
    kept: dict[str, ManifestLine] = {}
    address_of: dict[str, str] = {}
    for line in lines:
        if line.sha256 is not None:
            before = address_of.get(line.sha256, line.image)
            if before != line.image and before in kept and kept[before].sha256 == line.sha256:
                del kept[before]
            address_of[line.sha256] = line.image
        kept[line.image] = line
    return tuple(kept.values())


def _content(image: Image) -> str:
    if image.sha256 is None:
        raise ManifestError(
            f"The content of {image.image} is unknown, so it may be a copy of any image: add its sha256 to "
            "its manifest line."
        )
    return image.sha256
