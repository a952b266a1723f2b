"""Assign targets to random images with MultiBoxTarget and with this project; print how they differ."""

from __future__ import annotations

import json

import mxnet as mx
import numpy as np

from include.detector.anchors import TargetAssigner, TargetRules

chance = np.random.RandomState(0)
maps = [(12, 0.1, 0.2), (6, 0.3, 0.4), (3, 0.6, 0.7)]
anchors = mx.nd.concat(
    *(
        mx.nd.contrib.MultiBoxPrior(mx.nd.zeros((1, 1, side, side)), sizes=sizes, ratios=(1, 2, 0.5)).reshape(
            (1, -1, 4)
        )
        for side, *sizes in maps
    ),
    dim=1,
)
assigner = TargetAssigner(anchors.asnumpy(), TargetRules())
result = {
    "images": 0,
    "positives": 0,
    "class_differences": 0,
    "positive_differences": 0,
    "largest_offset_difference": 0.0,
}
for image in range(60):
    objects = chance.randint(1, 9)
    centre, size = chance.uniform(0.1, 0.9, (objects, 2)), chance.uniform(0.03, 0.7, (objects, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).clip(0, 1)
    rows = np.concatenate([chance.randint(0, 3, (objects, 1)), boxes], axis=1).astype(np.float32)
    if image % 5 == 0:
        rows[-1, 1:] = rows[0, 1:]  # two objects compete for the same anchors
    logits = chance.normal(size=(4, anchors.shape[1])).astype(np.float32)
    padded = np.full((1, 12, 5), -1, dtype=np.float32)
    padded[0, :objects] = rows
    offsets, mask, classes = mx.nd.contrib.MultiBoxTarget(
        anchors,
        mx.nd.array(padded),
        mx.nd.array(logits[None]),
        overlap_threshold=0.5,
        ignore_label=-1,
        negative_mining_ratio=5,
        minimum_negative_samples=0,
        negative_mining_thresh=0.5,
        variances=(0.1, 0.1, 0.2, 0.2),
    )
    ours = assigner.assign(rows, logits)
    theirs = classes.asnumpy()[0]
    result["images"] += 1
    result["positives"] += int((theirs > 0).sum())
    result["class_differences"] += int((ours.classes != theirs).sum())
    result["positive_differences"] += int((np.maximum(ours.classes, 0) != np.maximum(theirs, 0)).sum())
    result["positive_differences"] += int((ours.mask.reshape(-1) != mask.asnumpy()[0]).sum())
    difference = np.abs(ours.offsets.reshape(-1) - offsets.asnumpy()[0]).max()
    result["largest_offset_difference"] = max(result["largest_offset_difference"], float(difference))
print(json.dumps(result))
