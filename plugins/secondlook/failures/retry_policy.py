"""When, and after what delay, Airflow retries a task.

Airflow evaluates the policy in the worker when a task has failed by an exception. What it does not cover: a
worker that was killed (``retry_delay`` and ``retry_exponential_backoff`` of the DAG count then), sensors that
timed out, and ``AirflowFailException``, which Airflow never retries.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from secondlook.failures.causes import delay_seconds
from secondlook.failures.explain import fault_of, sentence_of

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(minutes=30)


class SecondLookRetryPolicy(RetryPolicy):
    """Fails at once on errors that do not pass on their own, and retries the rest with exponential backoff.

    The delay starts with the task's ``retry_delay``, doubles with each try, is shortened by up to half at
    random so that tasks that failed together do not retry together, and never exceeds the task's
    ``max_retry_delay`` (half an hour if it has none). Missing capacity and full quotas get five times the
    delay. ``retries`` remains the maximum. Unknown errors are retried.

    The reason, one sentence, is the last line of the task's log.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide about one failure; ``try_number`` starts at 1 and keeps counting after a clear."""
        what, sentence = fault_of(exception), sentence_of(exception)
        if not what.passing:
            return RetryDecision.fail(sentence)
        if try_number > max_tries:
            return RetryDecision.retry(reason=f"{sentence} It was the last try.")
        task: Any = context.get("task") if context else None
        retries = getattr(task, "retries", None) or max_tries
        base = getattr(task, "retry_delay", None)
        longest = getattr(task, "max_retry_delay", None)
        seconds = delay_seconds(
            what,
            retries - (max_tries - try_number) - 1,
            base=_seconds(FIRST_DELAY if base is None else base),
            longest=_seconds(LONGEST_DELAY if longest is None else longest),
            jitter=random.random(),
        )
        reason = f"{sentence} Retrying in {seconds:.0f} s."
        return RetryDecision.retry(timedelta(seconds=seconds), reason)

    def serialize(self) -> dict[str, Any]:
        """Return the name only: the policy has no settings of its own."""
        return {"__type": type(self).__name__}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SecondLookRetryPolicy:
        """Return the policy."""
        return cls()


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
