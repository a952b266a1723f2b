"""Runs a model on batches: one executor for each batch size that occurs, sharing weights and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .artifact import SsdModel

    Floats = NDArray[np.float32]

BATCH_SIZES = (8, 4, 2, 1)


class Predictor:
    """Detections for images of the model's input size. Not for use from several threads at once.

    The weights are fixed: MXNet folds batch normalisation into the convolutions at the first run and does not
    notice when its statistics change, so new weights need a new predictor.
    """

    def __init__(self, model: SsdModel, batch_sizes: Sequence[int] = BATCH_SIZES) -> None:
        self.side = model.side
        self._batch_sizes = sorted(batch_sizes, reverse=True)
        symbol = model.inference_symbol()
        names = set(symbol.list_arguments())
        arguments = {name: value for name, value in model.arguments.items() if name in names}
        self._executors: dict[int, Any] = {}
        shared = None
        for size in self._batch_sizes:  # The largest first: the others reuse its memory.
            shape = (size, 3, self.side, self.side)
            executor = symbol.simple_bind(mx.cpu(), grad_req="null", shared_exec=shared, data=shape)
            executor.copy_params_from(arguments, model.states, allow_extra_params=True)
            shared = shared or executor
            self._executors[size] = executor

    def warm_up(self) -> None:
        """Run each executor once, so that no caller pays for the first run."""
        for size in self._batch_sizes:
            self._run(np.zeros((size, self.side, self.side, 3), dtype=np.uint8))

    def largest_batch(self, waiting: int) -> int:
        """Return how many of ``waiting`` images to take at once: the most that need no padding."""
        return next((size for size in self._batch_sizes if size <= waiting), self._batch_sizes[-1])

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Floats]:
        """Detect objects.

        Parameters
        ----------
        images
            uint8 (side, side, 3) each.

        Returns
        -------
        Per image (n, 6): class id, score, xmin, ymin, xmax, ymax as ratios.
        """
        found: list[Floats] = []
        while len(found) < len(images):
            size = self.largest_batch(len(images) - len(found))
            chosen = images[len(found) : len(found) + size]
            padding = [np.zeros_like(chosen[0])] * (size - len(chosen))
            output = self._run(np.stack([*chosen, *padding]))
            found.extend(rows[rows[:, 0] >= 0] for rows in output[: len(chosen)])
        return found

    def _run(self, pixels: NDArray[np.uint8]) -> Floats:
        executor = self._executors[len(pixels)]
        executor.arg_dict["data"][:] = pixels.transpose(0, 3, 1, 2).astype(np.float32)
        output: Floats = executor.forward(is_train=False)[0].asnumpy()
        return output
