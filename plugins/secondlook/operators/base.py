"""What all operators share: where things are kept, and checks of arguments while the DAG is parsed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.layout import Layout
from secondlook.names import BUCKET
from secondlook.runtime.arguments import (
    ArgumentError,
    is_template,
    number_fault,
    section_or_fault,
    text_fault,
)
from secondlook.settings.sections import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker


S = TypeVar("S", bound=Section)


class SecondLookOperator(BaseOperator):
    """Base of the project's operators.

    Unless given another ``retry_policy``, they fail at once on what does not pass by itself
    (:class:`SecondLookRetryPolicy`).

    :param bucket: S3 bucket (templated).
    :param prefix: the project's prefix in it (templated).
    :param aws_conn_id: Airflow connection for S3 and SageMaker (templated).
    :param region_name: AWS Region, the connection's when None (templated).
    """

    template_fields: Sequence[str] = ("bucket", "prefix", "aws_conn_id", "region_name")

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.retry_policy is None:
            self.retry_policy = SecondLookRetryPolicy()
        self.bucket = bucket
        self.prefix = prefix
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.check_text("bucket", bucket, BUCKET)

    @cached_property
    def store(self) -> ObjectStore:
        """The bucket (after rendering)."""
        from secondlook.hooks.s3 import ObjectStore

        return ObjectStore(str(self.bucket), self.aws_conn_id, self.region_name)

    @cached_property
    def sagemaker(self) -> SageMaker:
        """SageMaker as the connection sees it; what it creates carries the deployment's tags."""
        from secondlook.hooks.sagemaker import SageMaker
        from secondlook.names import project_tags

        tags = project_tags(self.layout.uri(self.layout.prefix))
        return SageMaker(self.aws_conn_id, self.region_name, tags)

    @property
    def address(self) -> dict[str, Any]:
        """Bucket and prefix, as triggers take them (after rendering)."""
        return {"bucket": str(self.bucket), "prefix": str(self.prefix or "")}

    @cached_property
    def layout(self) -> Layout:
        """Where things lie in the bucket (after rendering)."""
        return Layout(str(self.bucket), str(self.prefix or ""))

    def check_text(self, argument: str, value: Any, pattern: str | None = None) -> None:
        """Check a literal text; templates are checked by calling this again in ``execute``.

        :raises ArgumentError: empty, no text, or not of the pattern.
        """
        self._refuse(argument, text_fault(value, pattern))

    def check_labels(self, value: Any) -> None:
        """Check the literal argument ``labels``. Raises :class:`ArgumentError`."""
        if not is_template(value) and (isinstance(value, str) or not value):
            raise self.wrong("labels", f"must be a list of labels, not {value!r}")

    def check_number(
        self, argument: str, value: Any, *, minimum: float | None = None, maximum: float | None = None
    ) -> None:
        """Check a literal number; None passes.

        :raises ArgumentError: no number, or out of range.
        """
        self._refuse(argument, number_fault(value, minimum=minimum, maximum=maximum))

    def check_section(self, argument: str, value: Any, kind: type[S]) -> S | Any:
        """Check a literal section of the settings, and return it as one; templates pass as they are.

        Call it again in ``execute``, on what the template has become.

        :param value: a section, a mapping of its keys, or a template such as ``{{ settings.review }}``.
        :param kind: the section's class.
        :raises ArgumentError: anything else, or a key or value that the section does not take.
        """
        section, fault = section_or_fault(argument, value, kind)
        self._refuse(argument, fault)
        return section

    def wrong(self, argument: str, rule: str) -> ArgumentError:
        """Return the error for one argument: task, argument and rule in one sentence."""
        return ArgumentError(f"Task {self.task_id}: {argument} {rule}.")

    def _refuse(self, argument: str, fault: str | None) -> None:
        if fault is not None:
            raise self.wrong(argument, fault)
