"""One image is too large for everybody or for nobody: the limits are those of scoring, wherever they are."""

from __future__ import annotations

from include.detector import images as detector
from include.formats.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from secondlook.hooks import image_files, scoring


def test_packing_scoring_and_the_detector_have_the_same_limits():
    assert scoring.MAX_BODY_BYTES == MAX_IMAGE_BYTES
    assert {detector.MAX_PIXELS, image_files.MAX_PIXELS} == {MAX_IMAGE_PIXELS}
