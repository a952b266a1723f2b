"""Makes the archive in a process of its own, so that the services can start meanwhile.

`python -m include.demo.prepare --archive FOLDER --index FILE --seed N [--data VOC_FOLDER]`
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo.archive import Archive, ArchiveError, HoldoutImage
from include.demo.demo_settings import PHOTOS, demo_settings
from include.demo.drawn import DrawnSizes, draw_archive
from include.demo.scenes import TrueBox
from include.demo.voc_folder import deal_folder
from include.formats.voc import VocError
from secondlook.failures.exceptions import SettingsError
from secondlook.settings import EvaluationSettings, parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.demo.voc_folder import Dealt

# So many sentences fit on a screen.
SHOWN = 20


def save_index(path: Path, archive: Archive, notes: Sequence[str]) -> None:
    """Write everything about an archive that its files do not say."""
    index = {
        "root": str(archive.root),
        "labels": archive.labels,
        "nights": archive.nights,
        "truth": {key: [asdict(box) for box in boxes] for key, boxes in archive.truth.items()},
        "holdout": [asdict(image) for image in archive.holdout],
        "left_out": list(archive.left_out),
        "notes": list(notes),
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(index), encoding="utf-8")
    # A process that waits for the index must not see half of it.
    part.replace(path)


def load_index(path: Path) -> tuple[Archive, list[str]]:
    """Read back what `save_index` wrote: the archive, and what is worth telling about it."""
    index = json.loads(path.read_text(encoding="utf-8"))
    archive = Archive(
        root=Path(index["root"]),
        labels=tuple(index["labels"]),
        nights=tuple(index["nights"]),
        truth={key: tuple(TrueBox(**box) for box in boxes) for key, boxes in index["truth"].items()},
        holdout=[HoldoutImage(**image) for image in index["holdout"]],
        # An archive of an earlier version has none.
        left_out=tuple(index.get("left_out", ())),
    )
    return archive, index["notes"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw or deal the archive; a folder that cannot be used ends with one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m include.demo.prepare")
    parser.add_argument("--archive", required=True, type=Path)
    parser.add_argument("--index", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", type=json.loads, default={}, help="fields of DrawnSizes, a JSON object")
    options = parser.parse_args(arguments)
    if options.data is None:
        sizes = DrawnSizes(**options.sizes)
        save_index(options.index, draw_archive(options.archive, options.seed, sizes), ())
        return 0
    try:
        archive, dealt = deal_folder(options.data, options.archive, options.seed)
        # What the settings refuse of the labels is better said now than by every task.
        parse_settings(demo_settings(archive.labels, PHOTOS), f"The labels of {options.data}")
    except (ArchiveError, VocError, SettingsError, OSError) as error:
        print(str(error).encode("utf-8", "backslashreplace").decode(), flush=True)
        return 1
    save_index(options.index, archive, [*_told(dealt)])
    return 0


def _told(dealt: Dealt) -> Iterator[str]:
    """What a person wants to know of their folder, in few lines."""
    nights = ", ".join(map(str, dealt.nights))
    yield f"{dealt.bootstrap} pictures to begin with, nights of {nights}, {dealt.holdout} held out"
    needed = EvaluationSettings().min_images
    if dealt.holdout < needed:
        yield f"no model will be promoted: {dealt.holdout} pictures are held out, and the rule wants {needed}"
    yield from dealt.notes
    if dealt.left_out:
        yield f"{len(dealt.left_out)} left out"
        yield from (f"left out: {reason}" for reason in dealt.left_out[:SHOWN])
    if len(dealt.left_out) > SHOWN:
        yield f"left out: {len(dealt.left_out) - SHOWN} more, all of them in the report"


if __name__ == "__main__":
    sys.exit(main())
