"""Micro-batching without waiting: everything queued while one batch runs is the next batch.

One thread decodes, one runs the model; the event loop only moves bytes. A fixed wait would add latency and
gain nothing.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .images import DecodedImage, decode

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from .predictor import Predictor

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DetectedImage:
    """Size of the stored image and its detections (n, 6): class id, score, box as ratios."""

    width: int
    height: int
    depth: int
    rows: Floats


class DetectionQueue:
    """Takes image files from any thread and answers with futures."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
        self._waiting: queue.Queue[tuple[DecodedImage, Future[DetectedImage]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.shutdown(wait=True, cancel_futures=True)
        self._waiting.put(None)
        self._thread.join()

    def submit(self, body: bytes) -> Future[DetectedImage]:
        """Detect objects in an image file; the future raises ImageError when it is none."""
        answer: Future[DetectedImage] = Future()
        self._decoder.submit(self._decode, body, answer)
        return answer

    def _decode(self, body: bytes, answer: Future[DetectedImage]) -> None:
        try:
            self._waiting.put((decode(body, self._predictor.side), answer))
        except BaseException as error:  # Raised where the answer is awaited.
            answer.set_exception(error)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            wanted = self._predictor.largest_batch(1 + self._waiting.qsize())
            batch = [first]
            while len(batch) < wanted:
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            self._answer(batch)

    def _answer(self, batch: list[tuple[DecodedImage, Future[DetectedImage]]]) -> None:
        # A caller that disconnected has cancelled its future.
        batch = [(image, answer) for image, answer in batch if answer.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            found = self._predictor.predict([image.pixels for image, _ in batch])
        except BaseException as error:  # Raised where the answers are awaited.
            for _, answer in batch:
                answer.set_exception(error)
            return
        for (image, answer), rows in zip(batch, found, strict=True):
            answer.set_result(DetectedImage(image.width, image.height, image.depth, rows))
