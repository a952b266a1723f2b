"""Hyperparameters of a training job, checked before anything costs money.

They are checked by name, type and range if the image is the built-in Object Detection algorithm's. For any
other image only the values computed here are checked, because its other parameters are unknown.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError, TrainingDataError
from secondlook.training.hyperparameter_rules import MAX_TEXT_CHARACTERS, RULES, SMALLEST_IMAGE_SHAPE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secondlook.training.card import ModelCard
    from secondlook.training.hyperparameter_rules import Rule
    from secondlook.training.manifest import ManifestLine

ALGORITHM = "object-detection"
_DEFAULT_LABEL_WIDTH = 350
_DEFAULTS = {"base_network": "vgg-16", "image_shape": "300", "mini_batch_size": "32"}

# Derived from the training data; a setting could only contradict it.
COMPUTED = {
    "num_classes": "is the number of labels",
    "num_training_samples": "is counted",
}


class HyperparameterError(SecondLookError):
    """A hyperparameter is unknown, of the wrong type or out of range; the message begins with its key."""


# The only ones checked for another image, because they are compared with the training data here.
_OF_ANY_IMAGE = ("label_width", "mini_batch_size")


def is_object_detection(image: str | None) -> bool:
    """Whether a container image takes the hyperparameters of this table; None is Amazon's own image."""
    return image is None or re.split(r"[:@]", image.rsplit("/", 1)[-1])[0] == ALGORITHM


def faults_of(given: Mapping[str, Any], *, key: str, image: str | None = None) -> list[str]:
    """Return a sentence for each hyperparameter that has to be corrected.

    Parameters
    ----------
    given
        As set: text, numbers and booleans.
    key
        The key that precedes the names, for example ``training.hyperparameters``.
    image
        The container image; None is Amazon's own.
    """
    known = is_object_detection(image)
    faults = [fault for name, value in given.items() if (fault := _fault(str(name), value, known))]
    shape = _shape_fault(given) if known and not faults else None
    return [f"{key}.{fault}" for fault in (*faults, *([shape] if shape else []))]


def hyperparameters_as_text(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the values as SageMaker expects them; unknown ones are formatted with ``str``."""
    return {name: _text(name, value) for name, value in given.items()}


def checked_hyperparameters(
    given: Mapping[str, Any], *, key: str, image: str | None = None
) -> dict[str, str]:
    """Check hyperparameters as set, and return them as SageMaker expects them.

    Raises
    ------
    HyperparameterError
        One sentence for each that is wrong, each with its key.
    """
    faults = faults_of(given, key=key, image=image)
    if faults:
        raise HyperparameterError(" ".join(faults))
    return hyperparameters_as_text(given)


def check_hyperparameters(
    hyperparameters: Mapping[str, str],
    train: Collection[ManifestLine],
    parent: ModelCard | None,
    labels: int,
    *,
    validation: Collection[ManifestLine] = (),
    image: str | None = None,
) -> dict[str, str]:
    """Add the hyperparameters that follow from the data, and check what would fail the job late.

    ``num_training_samples`` is the number of lines, ``label_width`` is raised to ``5 * boxes + 2`` of the
    image with the most boxes, in training and validation (SageMaker Developer Guide, Object Detection
    Hyperparameters).

    Raises
    ------
    HyperparameterError
        One is unknown, of the wrong type or out of range.
    TrainingDataError
        Fewer images than a batch, or a class list or base network other than the parent's.
    """
    complete = dict(hyperparameters)
    if parent is not None:
        _check_inherited(complete, parent)
    given = {name: value for name, value in complete.items() if name not in COMPUTED}
    defaults = _DEFAULTS if is_object_detection(image) else {}
    checked_hyperparameters(defaults | given, key="hyperparameters", image=image)
    complete["num_classes"] = str(labels)
    complete["num_training_samples"] = str(len(train))
    most_boxes = max((len(line.annotations) for line in (*train, *validation)), default=0)
    label_width = int(complete.get("label_width", _DEFAULT_LABEL_WIDTH))
    complete["label_width"] = str(max(label_width, 5 * most_boxes + 2))
    _check_amounts(len(train), len(validation), int((defaults | given).get("mini_batch_size", "1")))
    return complete


def _check_inherited(complete: Mapping[str, str], parent: ModelCard) -> None:
    for name in ("num_classes", "base_network"):
        inherited = parent.hyperparameters.get(name)
        if inherited is not None and complete.get(name, inherited) != inherited:
            raise TrainingDataError(
                f"The hyperparameter {name} is {complete[name]}, but the parent {parent.model} has "
                f"{inherited} and incremental training cannot change it: remove it from the settings or "
                "train from scratch."
            )


def _check_amounts(train: int, validation: int, batch: int) -> None:
    needs = f"the algorithm needs at least one batch of {batch}"
    if train < batch:
        raise TrainingDataError(
            f"There are {train} training images and {needs}: "
            "collect more images or lower the hyperparameter mini_batch_size."
        )
    if validation < batch:
        raise TrainingDataError(
            f"There are {validation} validation images and {needs}: "
            "raise validation_share, collect more images or lower the hyperparameter mini_batch_size."
        )


def _text(name: str, value: Any) -> str:
    rule = RULES.get(name)
    fitting = rule.text(value) if rule else None
    if fitting is None:
        return str(int(value)) if isinstance(value, bool) else str(value)
    return fitting


def _fault(name: str, value: Any, known: bool) -> str | None:
    if name in COMPUTED:
        return f"{name} {COMPUTED[name]} and cannot be set: remove it."
    if name in RULES and (known or name in _OF_ANY_IMAGE):
        return None if RULES[name].text(value) is not None else _refusal(name, value)
    if known:
        return _unknown(name)
    plain = isinstance(value, str | int | float) and len(str(value)) <= MAX_TEXT_CHARACTERS
    return None if plain else f"{name} = {_shown(value)}: give it as a text, a number or a boolean."


def _refusal(name: str, value: Any) -> str:
    rule = RULES[name]
    return f"{name} = {_shown(value)}: the algorithm takes {rule.expected}{_hint(rule, value)}."


def _hint(rule: Rule, value: Any) -> str:
    """Suggest the value that was probably meant: 10 for 10.0 and for "10.0"."""
    try:
        number = float(value)
        meant = int(number) if number == int(number) and not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        return ""
    return f"; write {meant}" if meant is not None and rule.text(meant) is not None else ""


def _unknown(name: str) -> str:
    names = [known for known in RULES if known not in COMPUTED and not known.startswith("_")]
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(names))}."
    return f"{name} is no hyperparameter of {ALGORITHM}: {advice}"


def _shape_fault(given: Mapping[str, Any]) -> str | None:
    """Compare image_shape with the network, as far as either is set."""
    network, shape = given.get("base_network"), given.get("image_shape")
    if network is None or shape is None or int(shape) >= SMALLEST_IMAGE_SHAPE[network]:
        return None
    smallest = SMALLEST_IMAGE_SHAPE[network]
    return f"image_shape = {_shown(shape)}: {network} takes a whole number from {smallest} up."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
