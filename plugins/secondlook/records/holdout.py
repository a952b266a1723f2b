"""Batch transform of the frozen holdout: what goes in, and what came out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from secondlook import jsonl
from secondlook.detection import Prediction
from secondlook.failures.exceptions import EvaluationError
from secondlook.hooks.s3 import ObjectMissingError
from secondlook.layout import below, common_folder, split_s3_uri
from secondlook.records.transforms import ManifestWriter, output_key, output_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.training import ManifestLine

# Metadata of predictions: SHA-256 of the manifest of the holdout that they are about.
HOLDOUT_CONTENT = "holdout-sha256"


def transform_manifest(lines: Sequence[ManifestLine]) -> bytes:
    """Return the manifest of a batch transform: a common prefix, then the rest of each image's address.

    Raises
    ------
    EvaluationError
        The images have nothing in common but s3://: one transform reads one bucket.
    """
    addresses = sorted(line.image for line in lines)
    buckets = {split_s3_uri(address)[0] for address in addresses}
    if len(buckets) > 1:
        raise EvaluationError(
            f"The holdout's images lie in {len(buckets)} buckets ({', '.join(sorted(buckets))}) and a batch "
            "transform reads one: copy them into one bucket and make a new holdout version."
        )
    folder = common_folder(addresses)
    buffer = io.BytesIO()
    manifest = ManifestWriter(buffer, folder)
    for address in addresses:
        manifest.add(below(folder, address))
    manifest.close()
    return buffer.getvalue()


def collect(
    store: ObjectStore, layout: Layout, version: str, model: str, lines: Sequence[ManifestLine], content: str
) -> None:
    """Gather a transform's ``<key>.out`` files into one predictions file.

    ``content`` is the SHA-256 of the holdout's manifest.

    Raises
    ------
    EvaluationError
        An image has no output, or an output is no answer of the detector.
    """
    outputs = layout.evaluation(version, model)
    inputs = common_folder([line.image for line in lines])
    names = {line.image: below(inputs, line.image) for line in lines}
    root = output_root(store, outputs, split_s3_uri(inputs)[1], set(names.values()).__contains__)
    records = []
    for line in sorted(lines, key=lambda line: line.image):
        try:
            body, _ = store.read(output_key(root, names[line.image]))
        except ObjectMissingError as error:
            raise EvaluationError(
                f"The batch transform of {model} wrote nothing for {line.image} below {store.uri(outputs)}/: "
                "check that the image exists, then make a new holdout version."
            ) from error
        records.append(_prediction(line, model, body).to_record())
    store.write(
        layout.evaluation_predictions(version, model),
        jsonl.encode_gzip(records),
        metadata={HOLDOUT_CONTENT: content},
    )


def _prediction(line: ManifestLine, model: str, body: bytes) -> Prediction:
    return Prediction.from_response(
        line.image,
        line.etag or "",
        model,
        body,
        sha256=line.sha256,
        file_size=lambda: (line.width, line.height, line.depth),
        labels=len(line.labels) or None,
    )


def stored_predictions(
    store: ObjectStore, layout: Layout, version: str, model: str, content: str
) -> list[Prediction] | None:
    """Predictions of an earlier evaluation on exactly this holdout, or None."""
    key = layout.evaluation_predictions(version, model)
    head = store.head(key)
    if head is None or head.metadata.get(HOLDOUT_CONTENT) != content:
        return None
    records, _ = store.read_jsonl(key)
    return [Prediction.from_record(record) for record in records]
