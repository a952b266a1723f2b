"""Load an artifact; print its graph and whether what serves answers as the whole training graph does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

from include.detector import artifact
from include.detector.predictor import Predictor

model = artifact.load(Path(sys.argv[1]))
side = model.side
pixels = np.random.RandomState(0).randint(0, 256, (5, side, side, 3)).astype(np.uint8)
data = mx.nd.array(pixels.transpose(0, 3, 1, 2))
whole = model.symbol.simple_bind(mx.cpu(), grad_req="null", data=data.shape, label=(len(pixels), 3, 5))
whole.copy_params_from(model.arguments, model.states, allow_extra_params=True)
heads = whole.forward(is_train=False, data=data, label=mx.nd.full((len(pixels), 3, 5), -1))
expected = [rows[rows[:, 0] >= 0] for rows in heads[3].asnumpy()]
predictor = Predictor(model)
together = predictor.predict(pixels)
alone = [predictor.predict([image])[0] for image in pixels]


def difference(first: list, second: list) -> float:
    if [len(rows) for rows in first] != [len(rows) for rows in second]:
        return float("inf")
    return max(float(np.abs(one - two).max()) for one, two in zip(first, second, strict=True))


names = set(model.arguments)
print(
    json.dumps(
        {
            "outputs": model.symbol.list_outputs(),
            "inputs": [name for name in model.symbol.list_arguments() if name not in names],
            "nodes": [node["name"] for node in json.loads(model.symbol.tojson())["nodes"]],
            "detections": sum(len(rows) for rows in alone),
            "largest_difference": difference(alone, expected),
            "largest_batch_difference": difference(alone, together),
        }
    )
)
