"""``train``: what SageMaker runs for a training job.

A fault of the caller ends with one sentence in ``output/failure`` and exit code 1. SIGTERM (StopTrainingJob,
or the time limit) saves the model as it is and ends with 0.
"""

from __future__ import annotations

import signal
import traceback
from typing import TYPE_CHECKING

from include.formats.recordio import RecordIOError

from . import artifact, hyperparameters
from .anchors import anchor_sizes
from .channels import check_channels, read_channel
from .contract import Layout
from .errors import ConfigurationError, DetectorError
from .loader import load_images
from .network import LEVELS, initial_parameters, training_symbol
from .trainer import Trainer
from .training_log import TrainingLog

if TYPE_CHECKING:
    from types import FrameType

    from .channels import Sample
    from .contract import Channel
    from .hyperparameters import Hyperparameters


class _StoppedError(Exception):
    """SIGTERM came before there was anything to save."""


class _StopSignal:
    """Remembers SIGTERM; while input is being read it interrupts, since a pipe may never deliver."""

    def __init__(self) -> None:
        self.received = False
        self.interrupts = True
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if self.interrupts:
            raise _StoppedError


def main() -> int:
    """Run one training job and return its exit code."""
    log = TrainingLog()
    layout = Layout.from_environment()
    stop = _StopSignal()
    log.line("Docker entrypoint called with argument(s): train")
    try:
        _train(layout, stop)
    except _StoppedError:
        log.line("Training was stopped before it began; there is no model to save.")
        return 0
    except (DetectorError, RecordIOError) as error:
        log.line(str(error), "ERROR")
        layout.write_failure(f"ClientError: {error}")
        return 1
    except Exception as error:
        traceback.print_exc()
        layout.write_failure(f"AlgorithmError: {type(error).__name__}: {error}")
        return 1
    return 0


def _train(layout: Layout, stop: _StopSignal) -> None:
    log = TrainingLog(layout.current_host())
    given = layout.hyperparameters()
    parameters = hyperparameters.parse(given)
    log.line(f"Reading default configuration: {hyperparameters.DEFAULTS}")
    log.line(f"Final configuration: {dict(parameters.strings)}")
    channels = layout.channels()
    check_channels(channels)
    seed = _seed_model(channels.get("model"), parameters, log)
    train, validation = (
        read_channel(
            channels,
            name,
            num_classes=parameters.num_classes,
            label_width=parameters.label_width,
            warn=log.warning,
        )
        for name in ("train", "validation")
    )
    _check_amount(train, parameters, log)
    side = parameters.image_shape
    train_images = load_images(train, side, training=True, warn=log.warning)
    validation_images = load_images(validation, side, training=False, warn=log.warning)
    model = seed or _fresh_model(train, parameters)
    trainer = Trainer(model, parameters, train_images, validation_images, log)
    stop.interrupts = False
    trainer.run(layout.model, lambda: stop.received)


def _check_amount(train: list[Sample], parameters: Hyperparameters, log: TrainingLog) -> None:
    if len(train) < parameters.mini_batch_size:
        raise ConfigurationError(
            f"Channel train holds {len(train)} images, "
            f"fewer than mini_batch_size {parameters.mini_batch_size}."
        )
    if len(train) != parameters.num_training_samples:
        log.warning(
            f"num_training_samples is {parameters.num_training_samples}, "
            f"channel train holds {len(train)} images."
        )


def _seed_model(
    channel: Channel | None, parameters: Hyperparameters, log: TrainingLog
) -> artifact.SsdModel | None:
    """Load the model to continue from, or return None when the training starts from scratch."""
    if channel is None:
        if parameters.base_network != hyperparameters.SLIM_SSD:
            raise ConfigurationError(
                f"base_network {parameters.base_network} can only be continued from a model channel here, "
                f"as there are no pretrained weights; use {hyperparameters.SLIM_SSD} to train from scratch."
            )
        return None
    log.line("Start training from the model in the model channel.")
    model = artifact.load(channel.directory)
    for name, wanted in (
        ("base_network", parameters.base_network),
        ("num_classes", str(parameters.num_classes)),
    ):
        found = model.hyperparameters.get(name, wanted)
        if found != wanted:
            raise ConfigurationError(
                f"{name} is {wanted}, but the model in the model channel has {found}; "
                f"a model is continued with the same {name}."
            )
    log.line(f"Using model weights from {artifact.PREFIX}.")
    return model


def _fresh_model(train: list[Sample], parameters: Hyperparameters) -> artifact.SsdModel:
    sizes = anchor_sizes([row for sample in train for row in sample.rows], LEVELS)
    symbol = training_symbol(
        parameters.num_classes, sizes, nms_threshold=parameters.nms_threshold, nms_topk=parameters.nms_topk
    )
    arguments, states = initial_parameters(symbol, parameters.image_shape, parameters.seed)
    return artifact.SsdModel(symbol, arguments, states, parameters.strings)
