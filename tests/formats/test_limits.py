"""One image is too large for everybody or for nobody: the limits are those of scoring, wherever they are."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from include.detector import images as detector
from include.formats.images import MAX_IMAGE_PIXELS, decodes, header_size


def test_packing_scoring_and_the_detector_have_the_same_limits():
    assert detector.MAX_PIXELS == MAX_IMAGE_PIXELS


ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import include.formats.voc
print(sorted({"secondlook", "boto3", "airflow", "include.detector", "include.demo"} & set(sys.modules)))
"""


@pytest.mark.usefixtures("programs")
def test_formats_are_read_in_the_environment_of_the_detector_too():
    python = ROOT / "build" / "venv-detector" / "bin" / "python"
    told = subprocess.run(
        [python, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "[]"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(("PNG", "JPEG")),
    places=st.lists(st.integers(8, 10_000), min_size=1, max_size=4),
    value=st.integers(0, 255),
    cut=st.integers(0, 40),
)
def test_no_damage_to_a_file_is_more_than_an_answer(kind, places, value, cut):
    buffer = io.BytesIO()
    Image.effect_noise((24, 16), 80).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    for place in places:
        data[place % len(data)] = value
    damaged = bytes(data[: len(data) - cut])
    assert decodes(damaged) in (True, False)
    assert header_size(damaged) is None or len(header_size(damaged)) == 3
