"""State and services that all parts of the server share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.local_sagemaker.arns import Place, invalid
from include.local_sagemaker.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from include.local_sagemaker.algorithms import Algorithms
    from include.local_sagemaker.logs import Logs
    from include.local_sagemaker.process import ProcessTable
    from include.local_sagemaker.s3 import S3
    from include.local_sagemaker.state import Store


@dataclass
class Service:
    """The state, the place, and the means to run things; one per server.

    ``role_arns`` empty means that every role may be assumed; ``stop_grace_seconds`` is the time between
    SIGTERM and SIGKILL; ``startup_timeout_seconds`` is how long a container may take to pass its first ping
    unless its configuration says.
    """

    store: Store
    place: Place
    s3: S3
    algorithms: Algorithms
    logs: Logs
    processes: ProcessTable
    folder: Path
    role_arns: frozenset[str]
    stop_grace_seconds: float
    startup_timeout_seconds: float
    ports: Ports = field(default_factory=Ports)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def check_role(self, arn: str) -> None:
        """Refuse an execution role that SageMaker could not assume."""
        if self.role_arns and arn not in self.role_arns:
            raise invalid(
                f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role."
            )

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work that outlives the request that started it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Stop all work and all processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.processes.stop_all(min(self.stop_grace_seconds, 2.0))


def now() -> float:
    """Return the time as epoch seconds, to the millisecond."""
    return round(time.time(), 3)
