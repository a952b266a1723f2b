"""Deterministic names of AWS resources, derived from what they identify and checked before any call.

botocore checks neither pattern nor maximum length of names, so a bad one would fail late and far from its
cause.
"""

from __future__ import annotations

import hashlib
import re

from secondlook.failures.exceptions import ResourceNameError

MAX_NAME_LENGTH = 63
# A tag of everything this project creates.
MANAGED_BY = {"Key": "managed-by", "Value": "second-look"}

# What the names of a deployment's models, endpoint configs and jobs begin with.
PREFIX = "second-look"
CONTROL_PREFIX = "second-look-control"
ARCHIVE_PREFIX = "second-look-archive"

# Patterns of whole names, for settings and arguments.
RESOURCE_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
FLOW_NAME = r"[a-z0-9](-*[a-z0-9]){0,62}"
ROLE_ARN = r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"
INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"
BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
NIGHT = r"\d{4}-\d{2}-\d{2}"

# SageMaker: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62} for jobs, models, endpoint configs and endpoints.
_SAGEMAKER_PATTERN = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
# Amazon A2I: [a-z0-9](-*[a-z0-9])* for human loops, flow definitions and human task UIs.
_A2I_PATTERN = re.compile(r"[a-z0-9](?:-*[a-z0-9])*")


def digest(*parts: object, length: int = 12) -> str:
    """Hash ``parts`` (as text) into ``length`` lower-case hexadecimal digits.

    The length of each part is hashed, too, so ``digest("ab", "c")`` differs from ``digest("a", "bc")``.
    """
    if not 1 <= length <= 64:
        raise ResourceNameError(f"A digest has 1 to 64 digits, not {length}; ask for a length in between.")
    sha256 = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        sha256.update(b"%d:" % len(text))
        sha256.update(text)
    return sha256.hexdigest()[:length]


def training_job_name(prefix: str, *inputs: object) -> str:
    """Name a training job ``<prefix>-<hash of everything it reads>``; the same inputs give the same job."""
    return _sagemaker_name("training job", prefix, inputs)


def model_resource_name(prefix: str, *contents: object) -> str:
    """Name a SageMaker model ``<prefix>-<hash>`` of its artifact, image and role."""
    return _sagemaker_name("model", prefix, contents)


def endpoint_config_name(prefix: str, *contents: object) -> str:
    """Name an endpoint config ``<prefix>-<hash>`` of the model, instance type and count it holds."""
    return _sagemaker_name("endpoint config", prefix, contents)


def transform_job_name(prefix: str, *inputs: object) -> str:
    """Name a batch transform job ``<prefix>-<hash>`` of its model and its input."""
    return _sagemaker_name("transform job", prefix, inputs)


def human_task_ui_name(flow: str, template: str) -> str:
    """Name a human task UI ``<its flow definition>-<hash of its template>``, the former cut to fit."""
    name = f"{human_task_ui_prefix(flow)}-{digest(template)}"
    return _checked("human task UI", name, _A2I_PATTERN, "lower-case letters, digits and inner hyphens")


def human_task_ui_prefix(flow: str) -> str:
    """Return what the names of a flow definition's human task UIs have before the hyphen and the hash."""
    return flow[: MAX_NAME_LENGTH - 13].rstrip("-")


def human_loop_name(flow: str, image: str, sha256: str, round: int, *, prefix: str = "second-look") -> str:
    """Name the human loop for one review of one image; equal bytes uploaded again get the same name.

    Parameters
    ----------
    flow
        Name or ARN of the flow definition.
    image
        Address of the image, ``s3://bucket/key``.
    sha256
        SHA-256 of the image's bytes. Not an ETag: equal bytes can have several.
    round
        1 for the first review of this content; a higher number deliberately asks, and pays, again.
    prefix
        Start of the name; IAM policies can be limited to it.
    """
    if round < 1:
        raise ResourceNameError(
            f"The review round of {image} is {round}, but rounds count from 1; pass 1 or more."
        )
    name = f"{prefix}-{digest(flow, image, sha256, round, length=40)}"
    return _checked("human loop", name, _A2I_PATTERN, "lower-case letters, digits and inner hyphens")


def _sagemaker_name(kind: str, prefix: str, parts: tuple[object, ...]) -> str:
    name = f"{prefix}-{digest(*parts)}" if parts else prefix
    return _checked(kind, name, _SAGEMAKER_PATTERN, "letters, digits and inner hyphens")


def _checked(kind: str, name: str, pattern: re.Pattern[str], allowed: str) -> str:
    if len(name) > MAX_NAME_LENGTH:
        raise ResourceNameError(
            f"The {kind} name {name!r} has {len(name)} characters and the service allows {MAX_NAME_LENGTH};"
            " shorten its prefix."
        )
    if not pattern.fullmatch(name):
        raise ResourceNameError(f"The {kind} name {name!r} may hold only {allowed}; change its prefix.")
    return name


def project_tags(place: str) -> list[dict[str, str]]:
    """Tags of everything this project creates; ``place`` is ``s3://bucket/prefix`` of the deployment."""
    return [MANAGED_BY, {"Key": "second-look:place", "Value": place}]
