"""Waiting until training or transform jobs have ended."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async

from secondlook.failures.explain import sentence_of
from secondlook.hooks.s3 import ObjectStore
from secondlook.jobs.shared import SharedJobs
from secondlook.layout import Layout
from secondlook.triggers.polling import PollingTrigger


class JobsTrigger(PollingTrigger):
    """Fires when all of some training or transform jobs have ended, in whatever way.

    Marking the task failed or success, or clearing it, stops its jobs, which cost money, unless other runs
    use them or the cleared task's next try already waits for them.

    :param names: names of the jobs to wait for.
    :param shared: the jobs that the task uses, as :meth:`SharedJobs.to_record` gives them.
    :param bucket: S3 bucket of the records of who uses what.
    :param prefix: the project's prefix in it.
    """

    def __init__(
        self, *, names: list[str], shared: dict[str, Any], bucket: str, prefix: str, **polling: Any
    ) -> None:
        super().__init__(**polling)
        self.names = names
        self.shared = shared
        self.bucket = bucket
        self.prefix = prefix

    @property
    def what(self) -> str:
        """The jobs."""
        return f"the {self.shared['kind']} job {' and '.join(self.names)}"

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments, for the database."""
        own = {name: getattr(self, name) for name in ("names", "shared", "bucket", "prefix")}
        return {**own, **super().arguments()}

    def event(self, status: str, **more: Any) -> dict[str, Any]:
        """Return what the operator is told; with it, who uses the jobs."""
        return super().event(status, shared=self.shared, names=self.names, **more)

    def is_over(self) -> bool:
        """Whether no job is active any more."""
        jobs = (self.sagemaker.job(self.shared["kind"], name) for name in self.names)
        return not any(job is not None and job.active for job in jobs)

    async def on_kill(self) -> None:
        """Leave the jobs; the last task that used one stops it.

        Called when a person ends or clears the task, not when the triggerer restarts.
        """
        try:
            await sync_to_async(self._leave)()
        except Exception as error:
            # Airflow would log a traceback and go on in the same way.
            self.log.error("%s", sentence_of(error))

    def _leave(self) -> None:
        store = ObjectStore(self.bucket, self.aws_conn_id, self.region_name)
        layout = Layout(self.bucket, self.prefix)
        SharedJobs(self.shared, store, layout, self.sagemaker, self.log).leave_all(stop=True)
