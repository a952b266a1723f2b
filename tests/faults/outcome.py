"""What a night leaves in S3, in a form that is the same for equal nights of different deployments."""

from __future__ import annotations

import gzip
import io
import json
import re
from typing import TYPE_CHECKING

from include.formats import archive
from tests.faults.calls import neutral
from tests.faults.invariants import DUPLICATE, LOSS, Violation

if TYPE_CHECKING:
    from tests.faults.deployment import Deployment

_MOMENT = re.compile(r"/\d{4}(/\d\d){5}/")
# What a service writes, with the times and people of its own; and inputs, which no operator may touch.
_LEFT_OUT = ("reviews/a2i/", "images/", "labelled/")
# How many loops one try started and how many it found says something about the tries.
_ABOUT_TRIES = re.compile(r'"(started|adopted)": ?\d+')
# Which of two runs of a night planned the training is a matter of who was faster.
_PLANNING_RUN = re.compile(r'"run": ?"[^"]*"')


def outcome(deployment: Deployment) -> dict[str, bytes]:
    """Key -> content of what the night wrote.

    Left out are names and hashes that follow from the deployment's name. Lines of training manifests are
    sorted: their order follows from a hash of the addresses.
    """
    found: dict[str, bytes] = {}
    for full_key in deployment.keys(f"{deployment.name}/"):
        key = full_key.removeprefix(f"{deployment.name}/")
        if key.startswith(_LEFT_OUT):
            continue
        found[_neutral(key, deployment)] = _content(key, deployment.get(full_key), deployment)
    return found


def differences(night: dict[str, bytes], faultless: dict[str, bytes]) -> list[Violation]:
    """What a night left otherwise than one without faults."""
    missing = [Violation(LOSS, f"{key} is missing") for key in sorted(faultless.keys() - night.keys())]
    extra = [Violation(DUPLICATE, f"{key} is left behind") for key in sorted(night.keys() - faultless.keys())]
    changed = [
        Violation(LOSS, f"{key} differs from that of a night without faults")
        for key in sorted(night.keys() & faultless.keys())
        if night[key] != faultless[key]
    ]
    return [*missing, *extra, *changed]


def _content(key: str, data: bytes, deployment: Deployment) -> bytes:
    if key.endswith("model.tar.gz"):
        files = archive.contents(io.BytesIO(data))
        return json.dumps({name: files[name].decode() for name in sorted(files)}).encode()
    if key.endswith(".gz"):
        data = gzip.decompress(data)
    text = _neutral(data.decode(), deployment)
    if key.startswith("jobs/"):
        # Of a try that was killed the entry stays if its job has ended before the next try looks. Nobody acts
        # on it: only a job that runs can be stopped.
        text = ""
    if key.endswith("launch.json"):
        text = _ABOUT_TRIES.sub("", text)
    if key.endswith("training/challenger.json"):
        text = _PLANNING_RUN.sub("", text)
    if key.startswith("training/"):
        text = "\n".join(sorted(text.splitlines()))
    return text.encode()


def _neutral(text: str, deployment: Deployment) -> str:
    text = text.replace(deployment.name, "NIGHT")
    return _MOMENT.sub("/MOMENT/", neutral(text))
