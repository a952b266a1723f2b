"""What each hyperparameter of the built-in Object Detection algorithm may be.

Names, types and ranges are those of the SageMaker Developer Guide, "Object Detection Hyperparameters";
``nms_topk`` is what its container logs beside them. ``slim-ssd`` and ``_seed`` belong to the detector that
comes with this project, whose own table says the same.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT_CHARACTERS = 2500
"""Of one value (SageMaker API Reference, CreateTrainingJob)."""
SMALLEST_IMAGE_SHAPE = {"vgg-16": 300, "resnet-50": 300, "slim-ssd": 64}
_MAX_WHOLE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Rule:
    """What a hyperparameter may be.

    ``expected`` ends the sentence "takes ..."; ``text`` returns the value as SageMaker takes it, None when it
    does not fit.
    """

    expected: str
    text: Callable[[Any], str | None]


def _whole(smallest: int, largest: int = _MAX_WHOLE) -> Rule:
    def text(value: Any) -> str | None:
        given = value if isinstance(value, str) else str(value) if type(value) is int else ""
        fits = re.fullmatch(r"[0-9]{1,10}", given, re.ASCII) and smallest <= int(given) <= largest
        return given if fits else None

    return Rule(
        f"a whole number from {smallest}" + (f" to {largest}" if largest < _MAX_WHOLE else " up"), text
    )


def _real(expected: str, fits: Callable[[float], bool]) -> Rule:
    def text(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        plain = isinstance(value, int | float) or re.fullmatch(r"[-+.0-9eE]+", value) is not None
        return str(value) if plain and math.isfinite(number) and fits(number) else None

    return Rule(f"a number {expected}", text)


def _choice(*allowed: str) -> Rule:
    return Rule(
        "one of " + ", ".join(allowed),
        lambda value: value if value in allowed and type(value) is str else None,
    )


def _flag(true: str, false: str) -> Rule:
    def text(value: Any) -> str | None:
        if isinstance(value, bool):
            return true if value else false
        given = str(value).lower() if type(value) in (str, int) else ""
        return {true.lower(): true, false.lower(): false}.get(given)

    return Rule(f"{true} or {false}", text)


def _epochs(value: Any) -> str | None:
    given = value if isinstance(value, str) else str(value) if type(value) is int else None
    if given is None:
        return None
    steps = [step.strip() for step in given.split(",")] if given else []
    return given if all(re.fullmatch(r"[0-9]{1,6}", step, re.ASCII) for step in steps) else None


def _pattern(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        return None
    try:
        re.compile(value)
    except re.error:
        return None
    return value


_OPEN_UNIT = _real("above 0 and below 1", lambda value: 0 < value < 1)
_HALF_OPEN_UNIT = _real("above 0 and at most 1", lambda value: 0 < value <= 1)
_UNIT = _real("from 0 to 1", lambda value: 0 <= value <= 1)

RULES: dict[str, Rule] = {
    "num_classes": _whole(1, 10_000),
    "num_training_samples": _whole(1),
    "base_network": _choice(*SMALLEST_IMAGE_SHAPE),
    "early_stopping": _flag("True", "False"),
    "early_stopping_min_epochs": _whole(1),
    "early_stopping_patience": _whole(1),
    "early_stopping_tolerance": _UNIT,
    "epochs": _whole(1, 100_000),
    "freeze_layer_pattern": Rule("a regular expression, or an empty text", _pattern),
    "image_shape": _whole(min(SMALLEST_IMAGE_SHAPE.values()), 2048),
    "kv_store": _choice("device", "dist_sync", "dist_async"),
    "label_width": _whole(7),
    "learning_rate": _HALF_OPEN_UNIT,
    "lr_scheduler_factor": _OPEN_UNIT,
    "lr_scheduler_step": Rule('epochs such as "10, 20", or an empty text', _epochs),
    "mini_batch_size": _whole(1, 4096),
    # The guide's ranges exclude 0 for momentum and weight_decay, its tuning ranges include it.
    "momentum": _UNIT,
    "nms_threshold": _HALF_OPEN_UNIT,
    "nms_topk": _whole(1, 100_000),
    "optimizer": _choice("sgd", "adam", "rmsprop", "adadelta"),
    "overlap_threshold": _HALF_OPEN_UNIT,
    "use_pretrained_model": _flag("1", "0"),
    "weight_decay": _real("from 0 to below 1", lambda value: 0 <= value < 1),
    "_seed": _whole(0),
    # The container's own, as written to a model's hyperparams.json.
    **dict.fromkeys(
        ("_kvstore", "_num_kv_servers", "_tuning_objective_metric"),
        Rule("a text", lambda value: value if isinstance(value, str) else None),
    ),
}
