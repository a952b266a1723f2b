"""Airflow's LocalExecutor without a bug that mistakes resumed tasks for killed ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.executors.local_executor import LocalExecutor
from airflow.utils.state import TaskInstanceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.executors.workloads import ExecutorWorkload
    from airflow.executors.workloads.types import WorkloadKey, WorkloadState


class ResumeSafeLocalExecutor(LocalExecutor):
    """Reports the end of a task's process only if no later process of the same try has been queued.

    A task that defers ends its process with success; when its trigger fires, the same try is sent again,
    under the same key. Airflow 3.3.2 takes the first success for the end of the second process if it is
    reported late (apache/airflow issues 67287, 71580 and 72716): it then sees a success without a
    finished task and fails the try as killed externally. CeleryExecutor does not have the bug, because it
    forgets the first process when it queues the second. This executor counts processes to the same effect.

    Put ``[core] executor = secondlook.runtime.executor.ResumeSafeLocalExecutor`` where LocalExecutor was.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._under_way: Counter[WorkloadKey] = Counter()

    def change_state(
        self, key: WorkloadKey, state: WorkloadState, info: Any = None, remove_running: bool = True
    ) -> None:
        """Pass on what a process reports, except a success while a later process of its try is running."""
        if state in (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED):
            self._under_way[key] -= 1
            if self._under_way[key] > 0 and state == TaskInstanceState.SUCCESS:
                self.log.info("%s has already been resumed: ignoring the end of its first process.", key)
                return
            if self._under_way[key] <= 0:
                del self._under_way[key]
        super().change_state(key, state, info, remove_running)

    def _process_workloads(self, workload_list: Sequence[ExecutorWorkload]) -> None:
        # Before they are queued: a result may arrive at once.
        self._under_way.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call]
