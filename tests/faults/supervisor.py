"""What a run remembers for its tasks (XComs, task state, skips), and its answers to the task runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from tests.faults.night import Instance

OUTCOMES = frozenset(
    {"SucceedTask", "RetryTask", "DeferTask", "TaskState", "AwaitInputTask", "RescheduleTask"}
)
RESULT = "return_value"


class Supervisor:
    """Stands where Airflow's supervisor and API server stand for the tasks of one run."""

    def __init__(self) -> None:
        self.xcoms: dict[tuple[str, int], dict[str, Any]] = {}
        self.task_state: dict[tuple[UUID, str], Any] = {}
        self._skipped_by: dict[str, set[str]] = {}

    def result(self, task_id: str, map_index: int = -1) -> Any:
        """What a task returned."""
        return self.xcoms.get((task_id, map_index), {}).get(RESULT)

    def xcom_keys(self, key: tuple[str, int]) -> tuple[str, ...]:
        """XComs of an earlier try, which a fresh one clears first."""
        return tuple(self.xcoms.get(key, {}))

    def skipped(self, task_id: str) -> bool:
        """Whether a branch has left the task out."""
        return any(task_id in tasks for tasks in self._skipped_by.values())

    def forget_skips(self, task_id: str) -> None:
        """A branch task was cleared: it will choose again."""
        self._skipped_by.pop(task_id, None)

    def map_length(self, task: Any) -> int:
        """How many instances a mapped task has."""
        value = task._get_specified_expand_input().value
        sources = value.values() if isinstance(value, dict) else [value]
        length = 1
        for source in sources:
            operator = getattr(source, "operator", None)
            length *= len(source if operator is None else self.result(operator.task_id) or ())
        return length

    def answer(self, instance: Instance, message: Any) -> tuple[Any, Any]:
        """Return the answer to a message, and the message itself if it ends the try."""
        kind = type(message).__name__
        if kind in OUTCOMES:
            return None, message
        handler = getattr(self, f"_on_{kind}", None)
        if handler is None:
            from airflow.sdk.execution_time.comms import OKResponse

            return OKResponse(ok=True), None
        return handler(instance, message), None

    def _on_GetXCom(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import XComResult

        key = (message.task_id, -1 if message.map_index is None else message.map_index)
        return XComResult(key=message.key, value=self.xcoms.get(key, {}).get(message.key))

    def _on_SetXCom(self, instance: Instance, message: Any) -> Any:
        key = (message.task_id, -1 if message.map_index is None else message.map_index)
        self.xcoms.setdefault(key, {})[message.key] = message.value

    def _on_DeleteXCom(self, instance: Instance, message: Any) -> Any:
        key = (message.task_id, -1 if message.map_index is None else message.map_index)
        self.xcoms.get(key, {}).pop(message.key, None)

    def _mapped(self, message: Any) -> list[Any]:
        return [
            values[message.key]
            for (task_id, _), values in sorted(self.xcoms.items())
            if task_id == message.task_id and message.key in values
        ]

    def _on_GetXComCount(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import XComCountResponse

        return XComCountResponse(len=len(self._mapped(message)))

    def _on_GetXComSequenceItem(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import XComSequenceIndexResult

        return XComSequenceIndexResult(root=self._mapped(message)[message.offset])

    def _on_GetXComSequenceSlice(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import XComSequenceSliceResult

        return XComSequenceSliceResult(
            root=self._mapped(message)[message.start : message.stop : message.step]
        )

    def _on_GetTaskStateStore(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, TaskStateStoreResult

        if (message.ti_id, message.key) not in self.task_state:
            return ErrorResponse(error=ErrorType.TASK_STORE_NOT_FOUND)
        return TaskStateStoreResult(value=self.task_state[message.ti_id, message.key])

    def _on_SetTaskStateStore(self, instance: Instance, message: Any) -> Any:
        self.task_state[message.ti_id, message.key] = message.value

    def _on_DeleteTaskStateStore(self, instance: Instance, message: Any) -> Any:
        self.task_state.pop((message.ti_id, message.key), None)

    def _on_SkipDownstreamTasks(self, instance: Instance, message: Any) -> Any:
        names = {item if isinstance(item, str) else item[0] for item in message.tasks}
        self._skipped_by[instance.task_id] = names

    def _on_GetVariable(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse

        return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": message.key})

    def _on_GetConnection(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse

        return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": message.conn_id})

    def _on_GetTICount(self, instance: Instance, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import TICount

        return TICount(count=0)
