"""The final metrics of a training job, extracted from its log by regular expressions.

The expressions are the caller's. An expression that backtracks without end is given up after a while, and its
search lets the server's other threads run meanwhile.
"""

from __future__ import annotations

import math
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import regex

from include.local_sagemaker.errors import JobError
from include.local_sagemaker.logs import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

LINE_SECONDS = 1.0
"""Longest search of one expression in one line of the log."""
JOB_SECONDS = 60.0
"""Longest search of all expressions in all lines."""

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


def compile_metrics(image: str, definitions: Iterable[dict[str, str]]) -> dict[str, Any]:
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
            compiled[name] = regex.compile(expression)
        except (regex.error, RecursionError) as error:
            raise JobError(f"The Regex of metric {name} cannot be used: {error}.") from error
        if compiled[name].groups < 1:
            raise JobError(f"The Regex of metric {name} has no group in parentheses to take the value from.")
    return compiled


def final_metrics(log: Path, metrics: dict[str, Any], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return ``FinalMetricDataList``: the last value of each metric in the log.

    Parameters
    ----------
    metrics
        From :func:`compile_metrics`.
    tell
        Called with one sentence for each metric that is left out since its expression took too long.
    """
    last: dict[str, dict[str, Any]] = {}
    searched = dict(metrics)
    deadline = time.monotonic() + JOB_SECONDS
    for _, stamp, text in events(log):
        for name, expression in list(searched.items()):
            try:
                match = _search(expression, text, deadline)
            except TimeoutError:
                del searched[name]
                last.pop(name, None)
                tell(_given_up(name))
                continue
            value = _number(match[1]) if match else None
            if value is not None:
                last[name] = {"MetricName": name, "Value": value, "Timestamp": stamp / 1000}
    return [last[name] for name in metrics if name in last]


def _search(expression: Any, text: str, deadline: float) -> Any:
    seconds = min(LINE_SECONDS, deadline - time.monotonic())
    if seconds <= 0:
        raise TimeoutError
    return expression.search(text, timeout=seconds, concurrent=True)


def _given_up(name: str) -> str:
    return (
        f"The metric {name} is left out: searching its Regex took more than {LINE_SECONDS:g} s for a line of "
        f"this log, or {JOB_SECONDS:g} s for all; write the expression without nested repetitions."
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
