"""Give Airflow's LocalExecutor time to see that a task has deferred before its trigger fires."""

from __future__ import annotations

import asyncio
import re

from airflow.sdk.configuration import conf

RESUME_DELAY_SECONDS = 10.0


async def delay_resuming() -> None:
    """Wait ``[secondlook] resume_delay_seconds`` of Airflow's configuration, by default 10, if it matters.

    Every trigger of the project begins with it. Airflow's LocalExecutor reports the end of a deferring
    process under the same key as that of the resumed one. If the trigger fires before the scheduler has
    heard of the first, Airflow 3.3.2 takes the resumed task for killed, and the try is lost
    (apache/airflow issues 67287, 71580 and 72716). The process that watches over the deferring one may be
    as late as ``[workers] min_heartbeat_interval``, 5 seconds, and the scheduler has to come round after
    that. How long to wait does not depend on how often to poll.

    Other executors do not have the fault, and their tasks are not delayed.
    """
    if mistakes_resumed_tasks(conf.get("core", "executor", fallback="LocalExecutor")):
        await asyncio.sleep(
            conf.getfloat("secondlook", "resume_delay_seconds", fallback=RESUME_DELAY_SECONDS)
        )


def mistakes_resumed_tasks(executors: str) -> bool:
    """Whether Airflow's own LocalExecutor is among the executors of ``[core] executor``.

    Executors are separated by commas, those of teams by semicolons (``team=LocalExecutor``); each is a class
    or its import path, perhaps with an alias (``alias:LocalExecutor``).
    """
    entries = re.split("[,;]", executors)
    return any(re.split(r"[.:=]", entry.strip())[-1] == "LocalExecutor" for entry in entries)
