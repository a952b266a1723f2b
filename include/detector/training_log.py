"""The log lines of the built-in algorithm, whose metrics SageMaker (and people) read by regular
expression."""

from __future__ import annotations

import os
import sys
import time


class TrainingLog:
    """Writes lines to standard output as ``[11/22/2026 10:15:00 INFO <process>] ...``."""

    def __init__(self, host: str = "algo-1") -> None:
        self._host = host

    def line(self, text: str, level: str = "INFO") -> None:
        """Write one line."""
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        sys.stdout.write(f"[{stamp} {level} {os.getpid()}] {' '.join(text.splitlines())}\n")
        sys.stdout.flush()

    def warning(self, text: str) -> None:
        """Write a line about something that was left out or may surprise."""
        self.line(text, "WARNING")

    def train_losses(self, epoch: int, batch: int, cross_entropy: float, smooth_l1: float) -> None:
        """Emit ``train:cross_entropy`` and ``train:smooth_l1``: means over the anchors that took part."""
        where = f"#quality_metric: host={self._host}, epoch={epoch}, batch={batch}"
        self.line(f"{where} train cross_entropy <loss>={cross_entropy:.6f}")
        self.line(f"{where} train smooth_l1 <loss>={smooth_l1:.6f}")

    def validation_map(self, epoch: int, value: float) -> None:
        """Emit ``validation:mAP``."""
        self.line(f"#quality_metric: host={self._host}, epoch={epoch}, validation mAP <score>=({value:.6f})")

    def throughput(self, records_per_second: float) -> None:
        """Emit ``train:throughput``."""
        self.line(
            f"#throughput_metric: host={self._host}, train throughput={records_per_second:.3f} records/second"
        )

    def progress(self, percent: float) -> None:
        """Emit ``train:progress``."""
        self.line(f"#progress_metric: host={self._host}, completed {percent:.1f} %")
