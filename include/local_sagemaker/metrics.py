"""The final metrics of a training job, extracted from its log by regular expressions."""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from include.local_sagemaker.errors import JobError
from include.local_sagemaker.logs import events

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BUILT_IN = {
    "*/object-detection:*": {
        "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
        "train:smooth_l1": r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train smooth_l1 <loss>=(\S+)",
        "train:cross_entropy": (
            r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train cross_entropy <loss>=(\S+)"
        ),
        "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
        "validation:mAP": r"#quality_metric: host=\S+, epoch=\S+, validation mAP <score>=\((\S+)\)",
    }
}
"""Metrics that the built-in algorithms define themselves, by image."""


def compile_metrics(image: str, definitions: Iterable[dict[str, str]]) -> dict[str, re.Pattern[str]]:
    """Return each metric's expression: those of the image's algorithm, then the job's ``MetricDefinitions``.

    Raises
    ------
    JobError
        When an expression is broken or has no group to take the value from.
    """
    expressions = {}
    for pattern, metrics in _BUILT_IN.items():
        if fnmatchcase(image, pattern):
            expressions.update(metrics)
    expressions |= {definition["Name"]: definition["Regex"] for definition in definitions}
    compiled = {}
    for name, expression in expressions.items():
        try:
            compiled[name] = re.compile(expression)
        except re.error as error:
            raise JobError(f"The Regex of metric {name} cannot be used: {error}.") from error
        if compiled[name].groups < 1:
            raise JobError(f"The Regex of metric {name} has no group in parentheses to take the value from.")
    return compiled


def final_metrics(log: Path, metrics: dict[str, re.Pattern[str]]) -> list[dict[str, Any]]:
    """Return ``FinalMetricDataList``: the last value of each metric in the log."""
    last: dict[str, dict[str, Any]] = {}
    for _, stamp, text in events(log):
        for name, expression in metrics.items():
            match = expression.search(text)
            value = _number(match[1]) if match else None
            if value is not None:
                last[name] = {"MetricName": name, "Value": value, "Timestamp": stamp / 1000}
    return [last[name] for name in metrics if name in last]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
