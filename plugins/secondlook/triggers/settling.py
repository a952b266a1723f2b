"""Give Airflow time to see that a task has deferred before its trigger fires."""

from __future__ import annotations

import asyncio

from airflow.sdk.configuration import conf

SETTLE_SECONDS = 10.0


async def settle() -> None:
    """Wait ``[secondlook] settle_seconds`` of Airflow's configuration, by default :data:`SETTLE_SECONDS`.

    Every trigger of the project begins with it. Airflow's LocalExecutor reports the end of a deferring
    process under the same key as that of the resumed one. If the trigger fires before the scheduler has
    heard of the first, Airflow 3.3.2 takes the resumed task for killed, and the try is lost
    (apache/airflow issues 67287, 71580 and 72716). The process that watches over the deferring one may be
    as late as ``[workers] min_heartbeat_interval``, 5 seconds, and the scheduler has to come round after
    that. How long to wait does not depend on how often to poll.
    """
    await asyncio.sleep(conf.getfloat("secondlook", "settle_seconds", fallback=SETTLE_SECONDS))
