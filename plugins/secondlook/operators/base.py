"""What all operators share: where things are kept, and checks of arguments while the DAG is parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator
from pydantic import ValidationError

from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.retry_policy import SecondLookRetryPolicy
from secondlook.layout import Layout
from secondlook.names import BUCKET
from secondlook.settings.sections import Section
from secondlook.settings.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker


S = TypeVar("S", bound=Section)


class ArgumentError(SecondLookError, ValueError):
    """An operator's argument cannot be right; the message names task, argument and rule."""


def is_template(value: Any) -> bool:
    """Whether ``value`` is only known after rendering: a Jinja text or another task's result."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_template(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(is_template(item) for item in value)
    return not isinstance(value, str | int | float | Decimal | bool | bytes | type(None))


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

    @cached_property
    def layout(self) -> Layout:
        """Where things lie in the bucket (after rendering)."""
        return Layout(str(self.bucket), str(self.prefix or ""))

    def check_text(self, argument: str, value: Any, pattern: str | None = None) -> None:
        """Check a literal text; templates are checked by calling this again in ``execute``.

        Raises
        ------
        ArgumentError
            Empty, no text, or not of the pattern.
        """
        if is_template(value):
            return
        if not isinstance(value, str) or not value:
            raise self.wrong(argument, f"must be a non-empty text, not {value!r}")
        if pattern and not re.fullmatch(pattern, value):
            raise self.wrong(argument, f"= {value!r} does not have the form {pattern}")

    def check_labels(self, value: Any) -> None:
        """Check the literal argument ``labels``. Raises :class:`ArgumentError`."""
        if not is_template(value) and (isinstance(value, str) or not value):
            raise self.wrong("labels", f"must be a list of labels, not {value!r}")

    def check_number(
        self, argument: str, value: Any, *, minimum: float | None = None, maximum: float | None = None
    ) -> None:
        """Check a literal number (None passes: it stands for "from the settings").

        Raises
        ------
        ArgumentError
            No number, or out of range.
        """
        if value is None or is_template(value):
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(argument, f"must be a number, not {value!r}")
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise self.wrong(argument, f"= {value!r} is outside {_range(minimum, maximum)}")

    def check_section(self, argument: str, value: Any, kind: type[S]) -> S | Any:
        """Check a literal section of the settings, and return it as one; templates pass as they are.

        Call it again in ``execute``, on what the template has become.

        :param value: a section, a mapping of its keys, or a template such as ``{{ settings.review }}``.
        :param kind: the section's class.
        :raises ArgumentError: anything else, or a key or value that the section does not take.
        """
        if isinstance(value, kind) or is_template(value):
            return value
        if not isinstance(value, Mapping):
            name = kind.__name__
            raise self.wrong(
                argument,
                f"must be a {name} or its keys, not {value!r}: write a template such as "
                f"{{{{ settings.{argument} }}}} and give the DAG render_template_as_native_obj=True",
            )
        try:
            return kind.model_validate(dict(value))
        except ValidationError as invalid:
            raise self.wrong(argument, f"cannot be used: {sentences(invalid).rstrip('.')}") from None

    def wrong(self, argument: str, rule: str) -> ArgumentError:
        """Return the error for one argument: task, argument and rule in one sentence."""
        return ArgumentError(f"Task {self.task_id}: {argument} {rule}.")


def _range(minimum: float | None, maximum: float | None) -> str:
    if maximum is None:
        return f"the range from {minimum}"
    if minimum is None:
        return f"the range up to {maximum}"
    return f"the range {minimum} to {maximum}"
