"""The SageMaker SDK: asked late, and never a word from it to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
# Names what would have been reached, and reaches nothing.
WATCHED = """
import socket, sys, threading
asked = []
def refused(host, *rest, **more):
    asked.append(host)
    raise OSError("no network in this test")
socket.getaddrinfo = refused
# Logs go to standard output as well.
def say(text):
    print(">", text)
sys.addaudithook(lambda event, about: asked.append(about[1]) if event == "socket.connect" else None)
"""
OURS = """
import secondlook.operators.bootstrap as operators
say("sagemaker" in sys.modules)
from secondlook.runtime.sdk import NoImageUriError, object_detection_image
say(object_detection_image("eu-west-1"))
try:
    object_detection_image("mx-central-1")
except NoImageUriError as error:
    say(error)
"""
# A function of the SDK's own kind, with and without our word to it.
REPORTED = """
import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.telemetry.constants import Feature
from sagemaker.core.telemetry.telemetry_logging import _telemetry_emitter
class Thing:
    sagemaker_session = Session(boto3.Session("k", "s", region_name="eu-west-1"))
    @_telemetry_emitter(Feature.MODEL_TRAINER, "thing")
    def work(self):
        return "done"
say(Thing().work())
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(20)
"""
SHOW = "\nsay(sorted({str(host) for host in asked}))"


def told(program: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PLUGINS), "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + program + SHOW],
        env=environment | {"AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [line[2:] for line in done.stdout.splitlines() if line.startswith("> ")]


@pytest.mark.usefixtures("programs")
def test_the_sdk_is_asked_late_and_reports_nothing() -> None:
    early, address, refused, said, hosts = told(OURS + REPORTED)
    assert early == "False"
    assert address == "685385470294.dkr.ecr.eu-west-1.amazonaws.com/object-detection:1"
    assert "is not known for the Region mx-central-1" in refused
    assert refused.endswith(": give the setting image_uri.")
    assert (said, hosts) == ("done", "[]")


@pytest.mark.usefixtures("programs")
def test_it_would_report_its_use_by_default() -> None:
    said, hosts = told(REPORTED)
    assert said == "done"
    assert hosts != "[]"
