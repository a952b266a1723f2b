"""Turns pydantic's errors about settings into sentences, one for each fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.settings.types import MOST_CONCURRENT_TRANSFORMS

if TYPE_CHECKING:
    from pydantic import ValidationError

# Advice by pydantic's error type.
_ADVICE = {
    "missing": "is missing: add it to the settings",
    "extra_forbidden": "is not a known setting: remove it or check its spelling",
}

_ROLE_FORM = "is not the ARN of an IAM role: write it as arn:aws:iam::<account>:role/<name>"
_FORMS = {
    "execution_role_arn": _ROLE_FORM,
    "flow_role_arn": _ROLE_FORM,
    "review.event_queue_url": "is not the URL of an SQS queue: write https://sqs.<region>.amazonaws.com/"
    "<account>/<queue>, or leave it empty",
    "review.currency": "is not a currency: write its three letters, such as USD",
    "bucket": "is not a bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens",
    "region": "is not an AWS Region: write it as us-east-1, or leave it out to use the connection's",
    "review.task_description": "has more than one line: Amazon A2I takes a single one",
    "holdout_version": "is not a version: use letters, digits, dots, underscores and hyphens",
}
# The same for every entry of a list.
_ENTRY_FORMS = {
    "review.task_keywords": "is not a keyword that Amazon A2I takes: use the letters A to Z, digits and "
    "single spaces",
}


def sentences(invalid: ValidationError) -> str:
    """Return one sentence for each fault, naming the key, what is wrong and what to do."""
    return " ".join(_sentence(fault) for fault in invalid.errors())


def _sentence(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "hyperparameters":
        return str(fault["msg"])
    if fault["type"] in _ADVICE:
        return f"{key} {_ADVICE[fault['type']]}."
    if fault["type"] == "string_pattern_mismatch":
        form = _FORMS.get(key) or _ENTRY_FORMS.get(key.rpartition(".")[0])
        form = form or f"does not have the form {fault['ctx']['pattern']}"
        return f"{key} = {fault['input']!r} {form}."
    if fault["type"] == "too_short":
        return f"{key} has too few entries: give {fault['ctx']['min_length']} or more."
    if fault["type"] == "too_long":
        return f"{key} has too many entries: give {fault['ctx']['max_length']} at most."
    if fault["type"] == "less_than_equal" and key.endswith("max_concurrent_transforms"):
        return (
            f"{key} = {fault['input']!r}: SageMaker allows 100 MB in flight and an image may have 6 MB, so "
            f"{MOST_CONCURRENT_TRANSFORMS} is the most."
        )
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key} = {fault['input']!r}: {message[0].lower()}{message[1:]}."
