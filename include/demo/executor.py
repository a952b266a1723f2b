"""The demo's executor: task processes find loaded what all of them import."""

from __future__ import annotations

from importlib import import_module

from secondlook.runtime.executor import ResumeSafeLocalExecutor

# Other people's modules only: an edit of this project's own takes effect with the next task.
PRELOADED = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.operators.python",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "boto3.session",
    "pydantic",
)


class PreloadingLocalExecutor(ResumeSafeLocalExecutor):
    """Imports modules before it forks its workers, from which each task's process is forked."""

    def start(self) -> None:
        """Load the modules, then start the workers."""
        for module in PRELOADED:
            import_module(module)
        super().start()
