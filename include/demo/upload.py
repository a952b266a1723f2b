"""The archive's way into S3, and the truth about it into the hands of the simulated reviewers."""

from __future__ import annotations

import hashlib
import mimetypes
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from include.demo.archive import HOLDOUT_VERSION
from include.demo.state import BUCKET, PREFIX
from secondlook.jsonl import encode
from secondlook.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from include.demo.archive import Archive, HoldoutImage

THREADS = 8
LAYOUT = Layout(BUCKET, PREFIX)
LABEL_ATTRIBUTE = "bounding-box"


def upload_archive(s3: Any, archive: Archive) -> int:
    """Put every file and the holdout's manifest below the prefix; returns how many objects that were."""

    def put(path: Path) -> None:
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        key = f"{PREFIX}/{archive.key(path)}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes(), ContentType=content_type)

    files = archive.files()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, files))
    manifest = encode(holdout_line(archive, image) for image in archive.holdout)
    s3.put_object(Bucket=BUCKET, Key=LAYOUT.holdout_manifest(HOLDOUT_VERSION), Body=manifest)
    return len(files) + 1


def holdout_line(archive: Archive, image: HoldoutImage) -> dict[str, Any]:
    """One augmented manifest line of the holdout, with the slice that its score is reported under."""
    boxes = archive.truth[image.key]
    ids = {label: class_id for class_id, label in enumerate(archive.labels)}
    return {
        "source-ref": uri(image.key),
        "slice": image.slice_name,
        "sha256": hashlib.sha256((archive.root / image.key).read_bytes()).hexdigest(),
        LABEL_ATTRIBUTE: {
            "annotations": [
                {
                    "class_id": ids[box.label],
                    "left": box.left,
                    "top": box.top,
                    "width": box.width,
                    "height": box.height,
                }
                for box in boxes
            ],
            "image_size": [{"width": image.width_px, "height": image.height_px, "depth": image.depth}],
        },
        f"{LABEL_ATTRIBUTE}-metadata": {
            "class-map": {str(class_id): label for label, class_id in ids.items()},
            "creation-date": f"{archive.nights[0]}T00:00:00",
            "human-annotated": "yes",
            "job-name": "holdout",
            "objects": [{"confidence": 1} for _ in boxes],
            "type": "groundtruth/object-detection",
        },
    }


def truth_lines(archive: Archive) -> bytes:
    """What the reviewers see in each picture of the nights, one JSON line each."""
    return encode(
        {"image": uri(key), "boxes": [vars(box) for box in boxes]}
        for key, boxes in sorted(archive.truth.items())
        if key.startswith("images/")
    )


def uri(key: str) -> str:
    """The S3 address of a key of the archive."""
    return f"s3://{BUCKET}/{PREFIX}/{key}"
