"""The hyperparameters of the built-in Object Detection algorithm: names, defaults and checks.

All values travel as strings (SageMaker Developer Guide, "Object Detection Hyperparameters"; defaults as the
algorithm's container logs them). Deviations:

- ``base_network`` may also be ``slim-ssd``, a small net that trains from scratch on a CPU within a minute.
  The other two can be continued from a ``model`` channel, not begun, since no pretrained weights come with
  this project.
- ``image_shape`` may be as small as 64 for ``slim-ssd`` (a multiple of 32 is best).
- With ``slim-ssd`` and an empty ``lr_scheduler_step`` the learning rate falls along a cosine to 0 over all
  epochs.
- ``_seed`` (default 0) seeds initialisation, order and augmentation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SLIM_SSD = "slim-ssd"
BASE_NETWORKS = ("vgg-16", "resnet-50", SLIM_SSD)
REQUIRED = ("num_classes", "num_training_samples")
DEFAULTS: dict[str, str] = {
    "base_network": "vgg-16",
    "early_stopping": "False",
    "early_stopping_min_epochs": "10",
    "early_stopping_patience": "5",
    "early_stopping_tolerance": "0.0",
    "epochs": "30",
    "freeze_layer_pattern": "",
    "image_shape": "300",
    "kv_store": "device",
    "label_width": "350",
    "learning_rate": "0.001",
    "lr_scheduler_factor": "0.1",
    "lr_scheduler_step": "",
    "mini_batch_size": "32",
    "momentum": "0.9",
    "nms_threshold": "0.45",
    "nms_topk": "400",
    "optimizer": "sgd",
    "overlap_threshold": "0.5",
    "use_pretrained_model": "0",
    "weight_decay": "0.0005",
    "_kvstore": "device",
    "_num_kv_servers": "auto",
    "_tuning_objective_metric": "",
    "_seed": "0",
}
MIN_IMAGE_SHAPE = {"vgg-16": 300, "resnet-50": 300, SLIM_SSD: 64}
MAX_IMAGE_SHAPE = 2048


@dataclass(frozen=True)
class Hyperparameters:
    """Checked hyperparameters; field names are the algorithm's own."""

    num_classes: int
    num_training_samples: int
    base_network: str
    early_stopping: bool
    early_stopping_min_epochs: int
    early_stopping_patience: int
    early_stopping_tolerance: float
    epochs: int
    freeze_layer_pattern: str
    image_shape: int
    label_width: int
    learning_rate: float
    lr_scheduler_factor: float
    lr_scheduler_step: tuple[int, ...]
    mini_batch_size: int
    momentum: float
    nms_threshold: float
    nms_topk: int
    optimizer: str
    overlap_threshold: float
    use_pretrained_model: bool
    weight_decay: float
    seed: int
    strings: Mapping[str, str]
    """All of them as strings, defaults filled in: the contents of ``hyperparams.json``."""


def parse(given: Mapping[str, object]) -> Hyperparameters:
    """Check hyperparameters from ``hyperparameters.json`` and fill in the defaults.

    Raises
    ------
    ConfigurationError
        For the first one that is unknown, missing or out of range.
    """
    for name, value in given.items():
        if name not in DEFAULTS and name not in REQUIRED:
            raise ConfigurationError(
                f"Unknown hyperparameter {name!r}; known are {', '.join(_public_names())}."
            )
        if not isinstance(value, str):
            raise ConfigurationError(f"Hyperparameter {name} must be a string, not {value!r}.")
    for name in REQUIRED:
        if name not in given:
            raise ConfigurationError(f"Hyperparameter {name} is required.")
    strings = DEFAULTS | {name: str(value).strip() for name, value in given.items()}
    _choice("device", "dist_sync", "dist_async")("kv_store", strings["kv_store"])
    values = {name.lstrip("_"): check(name, strings[name]) for name, check in _CHECKS.items()}
    parsed = Hyperparameters(**values, strings=dict(sorted(strings.items())))  # type: ignore[arg-type]
    smallest = MIN_IMAGE_SHAPE[parsed.base_network]
    if not smallest <= parsed.image_shape <= MAX_IMAGE_SHAPE:
        raise _bad(
            "image_shape",
            strings["image_shape"],
            f"an integer from {smallest} to {MAX_IMAGE_SHAPE} for {parsed.base_network}",
        )
    return parsed


def _public_names() -> list[str]:
    return sorted(name for name in [*REQUIRED, *DEFAULTS] if not name.startswith("_"))


def _bad(name: str, text: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"Hyperparameter {name} is {text!r}; expected {expected}.")


def _integer(smallest: int, largest: int = 2**31 - 1) -> Callable[[str, str], int]:
    def check(name: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not smallest <= int(text) <= largest:
            upper = f" to {largest}" if largest < 2**31 - 1 else " upwards"
            raise _bad(name, text, f"an integer from {smallest}{upper}")
        return int(text)

    return check


def _real(expected: str, fits: Callable[[float], bool]) -> Callable[[str, str], float]:
    def check(name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise _bad(name, text, f"a number {expected}") from None
        if not (math.isfinite(value) and fits(value)):
            raise _bad(name, text, f"a number {expected}")
        return value

    return check


def _choice(*allowed: str) -> Callable[[str, str], str]:
    def check(name: str, text: str) -> str:
        if text not in allowed:
            raise _bad(name, text, f"one of {', '.join(choice or 'nothing' for choice in allowed)}")
        return text

    return check


def _boolean(true: str, false: str) -> Callable[[str, str], bool]:
    def check(name: str, text: str) -> bool:
        if text.lower() not in (true.lower(), false.lower()):
            raise _bad(name, text, f"{true} or {false}")
        return text.lower() == true.lower()

    return check


def _epoch_list(name: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        raise _bad(name, text, 'epochs such as "10, 20", or nothing')
    return tuple(int(part) for part in parts)


def _pattern(name: str, text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise _bad(name, text, f"a regular expression ({error})") from None
    return text


_OPEN_UNIT = _real("above 0 and below 1", lambda value: 0 < value < 1)
_HALF_OPEN_UNIT = _real("above 0 and at most 1", lambda value: 0 < value <= 1)

_CHECKS: dict[str, Callable[[str, str], object]] = {
    "num_classes": _integer(1, 10_000),
    "num_training_samples": _integer(1),
    "base_network": _choice(*BASE_NETWORKS),
    "early_stopping": _boolean("True", "False"),
    "early_stopping_min_epochs": _integer(1),
    "early_stopping_patience": _integer(1),
    "early_stopping_tolerance": _real("from 0 to 1", lambda value: 0 <= value <= 1),
    "epochs": _integer(1, 100_000),
    "freeze_layer_pattern": _pattern,
    "image_shape": _integer(1),
    "label_width": _integer(7),
    "learning_rate": _HALF_OPEN_UNIT,
    "lr_scheduler_factor": _OPEN_UNIT,
    "lr_scheduler_step": _epoch_list,
    "mini_batch_size": _integer(1, 4096),
    # The guide's ranges exclude 0 for momentum and weight_decay, its tuning ranges include it.
    "momentum": _real("from 0 to 1", lambda value: 0 <= value <= 1),
    "nms_threshold": _HALF_OPEN_UNIT,
    "nms_topk": _integer(1, 100_000),
    "optimizer": _choice("sgd", "adam", "rmsprop", "adadelta"),
    "overlap_threshold": _HALF_OPEN_UNIT,
    "use_pretrained_model": _boolean("1", "0"),
    "weight_decay": _real("from 0 to below 1", lambda value: 0 <= value < 1),
    "_seed": _integer(0),
}
