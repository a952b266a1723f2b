"""The pure parts stay pure: importing them loads neither Airflow nor an AWS client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("programs")

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import secondlook.detection, secondlook.failures.exceptions, secondlook.failures.explain
import secondlook.jsonl, secondlook.layout, secondlook.names, secondlook.scoring.shards
import secondlook.jobs.record
import secondlook.review, secondlook.scoring.control, secondlook.training
print(sorted({"airflow", "boto3", "botocore", "aiobotocore", "requests"} & set(sys.modules)))
"""


def test_pure_parts_import_neither_airflow_nor_boto3():
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout.strip() == "[]"
