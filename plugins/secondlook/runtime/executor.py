"""Airflow's LocalExecutor without a fault that takes resumed tasks for killed ones."""

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
    """Reports the end of a task's process only if no later process of the same try has been sent.

    A task that defers ends its process with success; when its trigger fires, the same try is sent again,
    under the same key. Airflow 3.3.2 takes the first success for the end of the second process if it hears
    of it only then (apache/airflow issues 67287, 71580 and 72716): it finds a success without a finished
    task and fails the try as killed from outside. CeleryExecutor does not have the fault, because it forgets
    the first process when it sends the second. This executor counts, to the same end.

    Put ``[core] executor = secondlook.runtime.executor.ResumeSafeLocalExecutor`` where LocalExecutor was.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._under_way: Counter[WorkloadKey] = Counter()

    def change_state(
        self, key: WorkloadKey, state: WorkloadState, info: Any = None, remove_running: bool = True
    ) -> None:
        """Hand on what a process reports, but not a success while a later process of its try is under way."""
        if state in (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED):
            self._under_way[key] -= 1
            if self._under_way[key] > 0 and state == TaskInstanceState.SUCCESS:
                self.log.info("%s has been resumed already: the end of its first process is no news.", key)
                return
            if self._under_way[key] <= 0:
                del self._under_way[key]
        super().change_state(key, state, info, remove_running)

    def _process_workloads(self, workload_list: Sequence[ExecutorWorkload]) -> None:
        # Before they are sent: the result may be there at once.
        self._under_way.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call]
