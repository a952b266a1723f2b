"""The four optimisers of the built-in algorithm, and how the learning rate falls."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import mxnet as mx

from .hyperparameters import SLIM_SSD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .hyperparameters import Hyperparameters


class Optimiser:
    """Updates the weights of one executor; frozen ones have no gradient and are left out."""

    def __init__(self, hyperparameters: Hyperparameters, gradients: Mapping[str, Any]) -> None:
        self._names = sorted(gradients)
        self._optimiser = mx.optimizer.create(
            hyperparameters.optimizer,
            param_idx2name=dict(enumerate(self._names)),  # So that biases are exempt from weight decay.
            **_arguments(hyperparameters),
        )
        self._update = mx.optimizer.get_updater(self._optimiser)
        self._gradients = gradients

    def step(self, weights: Mapping[str, Any], learning_rate: float) -> None:
        """Apply the gradients to the weights."""
        # Read through a scheduler that never changes it, a rate of exactly 0 would be refused.
        self._optimiser.lr = learning_rate
        for index, name in enumerate(self._names):
            self._update(index, self._gradients[name], weights[name])


def _arguments(hyperparameters: Hyperparameters) -> dict[str, Any]:
    given: dict[str, Any] = {"learning_rate": hyperparameters.learning_rate, "rescale_grad": 1.0}
    if hyperparameters.optimizer in ("sgd", "rmsprop"):
        given["wd"] = hyperparameters.weight_decay
    if hyperparameters.optimizer == "sgd":
        given["momentum"] = hyperparameters.momentum
    return given


def learning_rate(hyperparameters: Hyperparameters, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step (counted from 0 over the whole training).

    At each epoch of ``lr_scheduler_step`` it is multiplied by ``lr_scheduler_factor``. Without steps it is
    constant, except for ``slim-ssd``, where it falls along a cosine.
    """
    rate = hyperparameters.learning_rate
    if hyperparameters.lr_scheduler_step:
        passed = sum(step >= epoch * steps_per_epoch for epoch in hyperparameters.lr_scheduler_step)
        return rate * hyperparameters.lr_scheduler_factor**passed
    if hyperparameters.base_network != SLIM_SSD:
        return rate
    return rate * 0.5 * (1 + math.cos(math.pi * step / (hyperparameters.epochs * steps_per_epoch)))


def gradient_requests(names: Sequence[str], freeze_layer_pattern: str) -> dict[str, str]:
    """Return for each argument whether it needs a gradient: not for the input nor for frozen layers."""
    frozen = re.compile(freeze_layer_pattern) if freeze_layer_pattern else None
    return {name: "null" if name == "data" or (frozen and frozen.match(name)) else "write" for name in names}
