"""Input and output of the PASCAL VOC reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.formats.images import ImageFacts

    from .annotation import VocAnnotation
    from .contents import FolderFile


class Source(Protocol):
    """Where a folder's files are read from. Paths are relative to it, with slashes."""

    def files(self) -> Iterable[FolderFile]:
        """Every file, folders within folders included."""

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises `VocError` when it alone cannot be read."""

    def address(self, path: str) -> str:
        """What to call a file in sentences."""


@dataclass(frozen=True)
class VocItem:
    """A usable image with its annotation, which may hold no box; ``paths`` are the files of both."""

    name: str
    path: str
    data: bytes
    facts: ImageFacts
    annotation: VocAnnotation
    paths: tuple[str, ...]


@dataclass(frozen=True)
class VocFault:
    """Something that is left out.

    ``code`` is ``box`` when only a box of an image is, ``not-read`` for files that no reader looks at;
    ``paths`` are the files that are accounted for by this.
    """

    image: str
    code: str
    reason: str
    paths: tuple[str, ...] = ()

    @property
    def of_image(self) -> bool:
        """Whether an image, or what should have been one, is left out."""
        return self.code not in ("box", "not-read")

    def to_record(self) -> dict[str, Any]:
        """Return the line of rejected.jsonl."""
        return {"image": self.image, "code": self.code, "reason": self.reason}
