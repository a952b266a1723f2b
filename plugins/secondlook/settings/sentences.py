"""Turns pydantic's errors about settings into sentences, one for each fault."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from secondlook.settings.types import MOST_CONCURRENT_TRANSFORMS

if TYPE_CHECKING:
    from pydantic import ValidationError

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
    "review.own_policies": "is not the import path of a class: write it as package.module:Class",
}


def sentences(invalid: ValidationError, model: type[BaseModel]) -> str:
    """Return one sentence for each fault, naming the key, what is wrong and what to do.

    Parameters
    ----------
    model
        The settings, or the section of them, that the values are for.
    """
    return " ".join(_sentence(fault, model) for fault in invalid.errors())


def _sentence(fault: Any, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "hyperparameters":
        return str(fault["msg"])
    if fault["type"] == "missing":
        return f"{key} is missing: add it to the settings."
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a known setting: {_meant(key, _keys(model))}."
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
    if fault["type"] in ("tuple_type", "list_type"):
        return f'{key} = {fault["input"]!r} is not a list of texts: write it as ["first", "second"].'
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key} = {fault['input']!r}: {message[0].lower()}{message[1:]}."


def _keys(model: type[BaseModel], section: str = "") -> list[str]:
    """Return the names of all settings, as ``section.name`` where they are in a section."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(section + name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += _keys(kind, f"{section}{name}.")
    return keys


def _meant(key: str, known: list[str]) -> str:
    """Say which setting an unknown one may be: one of another section, or one that is spelt alike."""
    name = key.rpartition(".")[2]
    elsewhere = [other for other in known if other.rpartition(".")[2] == name]
    alike = elsewhere or difflib.get_close_matches(key, known, n=1, cutoff=0.8)
    if alike:
        return f"write {' or '.join(alike)} if that is what you mean, or remove it"
    return "remove it or check its spelling"
