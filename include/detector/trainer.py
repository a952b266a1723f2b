"""The training loop: forward, assign targets, loss, backward, update; evaluate now and then, keep the best.

It trains the two heads (class logits and box offsets) of any SSD symbol that :mod:`.artifact` can load, with
target assignment and loss in numpy, and saves the weights back under the original training symbol.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np

from .anchors import TargetAssigner
from .artifact import PARAMETERS_FILE, SsdModel, save
from .evaluation import mean_average_precision
from .loader import BatchLoader
from .losses import SsdLoss, ssd_loss
from .optimisation import Optimiser, gradient_requests, learning_rate
from .predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .hyperparameters import Hyperparameters
    from .loader import Batch, LabelledImages
    from .training_log import TrainingLog

# Validation may add this share to the time of the training; an image costs about a third of a training image.
_EVALUATION_SHARE = 0.125
_EVALUATION_COST = 1 / 3
_EVALUATIONS = 8
_LOG_EVERY_BATCHES = 100


@dataclass
class _Progress:
    """The progress of a training run."""

    best: float | None = None
    best_epoch: int = 0
    reference: float = 0.0
    """The best mAP when patience was last reset."""
    reference_epoch: int = 0


class Trainer:
    """Trains one model and leaves the best of its checkpoints in a directory."""

    def __init__(
        self,
        model: SsdModel,
        hyperparameters: Hyperparameters,
        train: LabelledImages,
        validation: LabelledImages,
        log: TrainingLog,
    ) -> None:
        self._model = model
        self._hyperparameters = hyperparameters
        self._validation = validation
        self._log = log
        self._loader = BatchLoader(
            train,
            batch_size=hyperparameters.mini_batch_size,
            epochs=hyperparameters.epochs,
            seed=hyperparameters.seed,
        )
        self._evaluation_stride = _evaluation_stride(
            len(train.pixels), len(validation.pixels), hyperparameters
        )
        self._bind()

    def _bind(self) -> None:
        logits, offsets, anchors = self._model.heads()
        side, batch = self._hyperparameters.image_shape, self._hyperparameters.mini_batch_size
        heads = mx.sym.Group([logits, offsets])
        requests = gradient_requests(heads.list_arguments(), self._hyperparameters.freeze_layer_pattern)
        self._executor = heads.simple_bind(mx.cpu(), grad_req=requests, data=(batch, 3, side, side))
        self._executor.copy_params_from(self._model.arguments, self._model.states, allow_extra_params=True)
        trained = {name: found for name, found in self._executor.grad_dict.items() if found is not None}
        self._optimiser = Optimiser(self._hyperparameters, trained)
        self._assigner = TargetAssigner(_anchor_boxes(anchors, side), self._model.target_rules())

    def run(self, directory: Path, stopped: Callable[[], bool]) -> None:
        """Train all epochs, or until early stopping or ``stopped``; the model is saved in any case."""
        progress = _Progress()
        steps = self._loader.batches_per_epoch
        losses: list[SsdLoss] = []
        started = time.perf_counter()
        for step, batch in enumerate(self._loader):
            if stopped():
                self._log.line("Training was stopped; saving the model as it is.")
                break
            epoch, index = divmod(step, steps)
            losses.append(self._step(batch, learning_rate(self._hyperparameters, step, steps)))
            if (index + 1) % _LOG_EVERY_BATCHES == 0 or index + 1 == steps:
                self._report_batch(epoch, index + 1, losses, time.perf_counter() - started)
            if index + 1 < steps:
                continue
            self._end_of_epoch(epoch, progress, directory)
            losses, started = [], time.perf_counter()
            if self._should_stop_early(epoch, progress):
                self._log.line(f"Early stopping after epoch {epoch}: validation mAP no longer grows.")
                break
        if progress.best is None:
            self._save(directory)
        else:
            self._log.line(f"The best model is of epoch {progress.best_epoch}, mAP={progress.best:.6f}.")

    def _step(self, batch: Batch, rate: float) -> SsdLoss:
        self._executor.arg_dict["data"][:] = batch.data
        logits, offsets = (output.asnumpy() for output in self._executor.forward(is_train=True))
        targets = [self._assigner.assign(rows, logits[index]) for index, rows in enumerate(batch.rows)]
        loss = ssd_loss(
            logits,
            offsets,
            np.stack([target.classes for target in targets]),
            np.stack([target.offsets for target in targets]),
            np.stack([target.mask for target in targets]),
        )
        self._executor.backward([mx.nd.array(loss.logits_gradient), mx.nd.array(loss.offsets_gradient)])
        self._optimiser.step(self._executor.arg_dict, rate)
        return loss

    def _report_batch(self, epoch: int, batches: int, losses: list[SsdLoss], seconds: float) -> None:
        examples = batches * self._hyperparameters.mini_batch_size
        self._log.line(
            f"Epoch: {epoch:4d}, batches: {batches:6d}, num_examples: {examples:6d}, "
            f"{examples / seconds:.1f} samples/sec, epoch time so far: {seconds:.3f} s"
        )
        valid = max(sum(loss.valid for loss in losses), 1)
        cross_entropy = sum(loss.cross_entropy_sum for loss in losses) / valid
        smooth_l1 = sum(loss.smooth_l1_sum for loss in losses) / valid
        self._log.train_losses(epoch, batches, cross_entropy, smooth_l1)
        if batches == self._loader.batches_per_epoch:
            self._log.throughput(examples / seconds)

    def _end_of_epoch(self, epoch: int, progress: _Progress, directory: Path) -> None:
        if (self._hyperparameters.epochs - 1 - epoch) % self._evaluation_stride == 0:
            value = self._evaluate()
            self._log.validation_map(epoch, value)
            # Equal is better too: of two models that find nothing the longer trained one is kept.
            if progress.best is None or value >= progress.best:
                progress.best, progress.best_epoch = value, epoch
                self._log.line(f"Updating the best model with validation-mAP={value:.6f}")
                self._save(directory)
        self._log.progress(100 * (epoch + 1) / self._hyperparameters.epochs)

    def _should_stop_early(self, epoch: int, progress: _Progress) -> bool:
        """Tell whether mAP has not grown by the tolerance for ``early_stopping_patience`` epochs."""
        given = self._hyperparameters
        best = progress.best or 0.0
        if best > progress.reference * (1 + given.early_stopping_tolerance):
            progress.reference, progress.reference_epoch = best, epoch
        waited = epoch - progress.reference_epoch
        return (
            given.early_stopping
            and epoch + 1 >= given.early_stopping_min_epochs
            and waited >= given.early_stopping_patience
        )

    def _evaluate(self) -> float:
        # A predictor made while MXNet still computes the last step now and then measures another value for
        # the same weights: beside busy processes, 2 of 18 evaluations; with this wait, 0 of 42.
        mx.nd.waitall()
        predictor = Predictor(self._trained_model(), batch_sizes=(min(8, len(self._validation.pixels)),))
        detections = predictor.predict(self._validation.pixels)
        given = self._hyperparameters
        return mean_average_precision(
            detections, self._validation.rows, given.num_classes, given.overlap_threshold
        )

    def _trained_model(self) -> SsdModel:
        arguments = {name: value for name, value in self._executor.arg_dict.items() if name != "data"}
        return replace(
            self._model,
            arguments=self._model.arguments | arguments,
            states=self._model.states | dict(self._executor.aux_dict),
            hyperparameters=self._hyperparameters.strings,
        )

    def _save(self, directory: Path) -> None:
        save(self._trained_model(), directory)
        self._log.line(f'Saved checkpoint to "{directory / PARAMETERS_FILE}"')


def _anchor_boxes(anchors: Any, side: int) -> Any:
    """Compute the anchors: they depend on the shape of the feature maps only, not on weights."""
    executor = anchors.simple_bind(mx.cpu(), grad_req="null", data=(1, 3, side, side))
    return executor.forward(is_train=False)[0].asnumpy()[0].reshape(-1, 4)


def _evaluation_stride(train: int, validation: int, hyperparameters: Hyperparameters) -> int:
    """Return after how many epochs to evaluate: some eight times in all, counted back from the last epoch.

    With a large validation set it is less often, with early stopping after each epoch.
    """
    if hyperparameters.early_stopping:
        return 1
    affordable = round(validation * _EVALUATION_COST / (train * _EVALUATION_SHARE))
    return max(1, hyperparameters.epochs // _EVALUATIONS, affordable)
