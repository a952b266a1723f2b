"""One image is too large for everybody or for nobody: the limits are those of scoring, wherever they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from include.detector import images as detector
from include.formats.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from secondlook.hooks import image_files, scoring


def test_packing_scoring_and_the_detector_have_the_same_limits():
    assert scoring.MAX_BODY_BYTES == MAX_IMAGE_BYTES
    assert {detector.MAX_PIXELS, image_files.MAX_PIXELS} == {MAX_IMAGE_PIXELS}


ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import include.formats.voc
print(sorted({"secondlook", "boto3", "airflow", "include.detector", "include.demo"} & set(sys.modules)))
"""


def test_formats_are_read_in_the_environment_of_the_detector_too():
    python = ROOT / "build" / "venv-detector" / "bin" / "python"
    told = subprocess.run(
        [python, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "[]"
