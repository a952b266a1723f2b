"""Score an artifact on the images of a RecordIO file, as the server would; print its mAP."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from include.detector import artifact
from include.detector.evaluation import mean_average_precision
from include.detector.images import decode
from include.detector.predictor import Predictor
from include.formats.detection_record import unpack_detection_record
from include.formats.recordio import read_records

model = artifact.load(Path(sys.argv[1]))
with open(sys.argv[2], "rb") as stream:
    records = [unpack_detection_record(payload) for payload in read_records(stream)]
pixels = [decode(record.image, model.side).pixels for record in records]
truths = [np.asarray(record.rows, dtype=np.float32).reshape(-1, 5) for record in records]
detections = Predictor(model).predict(pixels)
print(f"{mean_average_precision(detections, truths, int(model.hyperparameters['num_classes']), 0.5):.6f}")
