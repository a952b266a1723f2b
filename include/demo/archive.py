"""The demo's archive on disk: a bootstrap set, three nights and a holdout, laid out as they will lie in S3.

`<root>/bootstrap/voc/...`, `<root>/images/<night>/...` and `<root>/holdout/<version>/images/...` mirror the
keys below the prefix. What is in each picture is kept apart from them, for the reviewers and the holdout
only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from include.demo.scenes import TrueBox

HOLDOUT_VERSION = "v1"
FIRST_NIGHT = date(2026, 3, 2)


class ArchiveError(Exception):
    """The archive cannot be built; the message names the place and says what to do."""


@dataclass(frozen=True)
class HoldoutImage:
    """One picture of the frozen test set; `slice_name` is what its score is reported under."""

    key: str
    slice_name: str
    width_px: int
    height_px: int
    depth: int


@dataclass
class Archive:
    """All data of the demo. Keys are relative to the prefix in S3, and to `root` on disk.

    `truth` has no entry for a picture that cannot be opened. `left_out` has a sentence for everything of a
    person's folder that is not in the archive.
    """

    root: Path
    labels: tuple[str, ...]
    nights: tuple[str, ...]
    truth: dict[str, tuple[TrueBox, ...]] = field(default_factory=dict)
    holdout: list[HoldoutImage] = field(default_factory=list)
    left_out: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        """Every file to upload, in a stable order."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def key(self, path: Path) -> str:
        """The key of a file, relative to the prefix."""
        return path.relative_to(self.root).as_posix()

    def write(self, key: str, data: bytes) -> None:
        """Write one file below the archive's root."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def write_image_sets(self, train: Sequence[str], validation: Sequence[str]) -> None:
        """Write the VOC lists (names without suffix) of the bootstrap folder."""
        for name, members in (("train", train), ("val", validation), ("trainval", [*train, *validation])):
            lines = "".join(f"{member}\n" for member in members)
            self.write(f"bootstrap/voc/ImageSets/Main/{name}.txt", lines.encode())

    def validation_images(self) -> int:
        """How many pictures the bootstrap's lists validate with."""
        listed = self.root / "bootstrap/voc/ImageSets/Main/val.txt"
        return sum(1 for line in listed.read_text(encoding="utf-8").splitlines() if line.strip())


def night_names(count: int = 3, first: date = FIRST_NIGHT) -> tuple[str, ...]:
    """Consecutive dates; fixed, so that the same seed gives the same manifests on any day."""
    return tuple((first + timedelta(days=day)).isoformat() for day in range(count))
