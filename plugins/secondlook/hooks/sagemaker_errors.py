"""What SageMaker refuses, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.failures.aws import error_code, error_message
from secondlook.failures.causes import Cause
from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.explain import fault_of

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class SageMakerRefusedError(SecondLookError):
    """SageMaker did not accept a request; the message holds its own sentence."""


class ResourceConflictError(SecondLookError):
    """A resource of the wanted name exists but holds something else."""


def refused(operation: str, name: str, error: ClientError) -> SageMakerRefusedError:
    """Make one sentence of a refusal."""
    text, what = error_message(error).strip().rstrip("."), fault_of(error)
    advice = what.advice
    if what.cause is Cause.INVALID and "role" in text.lower():
        advice = "check the setting execution_role_arn and that the role trusts sagemaker.amazonaws.com"
    return SageMakerRefusedError(
        f"SageMaker refused {operation} {name} ({error_code(error)}: {text}): {advice}."
    )
