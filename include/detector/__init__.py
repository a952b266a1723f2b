"""SSD object detection on MXNet under SageMaker's train/serve contract.

``python -m include.detector train`` and ``... serve`` run in the detector's own environment (MXNet 1.9.1
needs numpy below 1.24). It imports nothing of the project but ``include.formats``, which is pure Python.
"""
