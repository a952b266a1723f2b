"""Refusals by SageMaker, each explained in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.failures.causes import Cause
from secondlook.failures.exceptions import SecondLookError
from secondlook.failures.explain import Place, explain

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


_SAGEMAKER = Place(
    "SageMaker",
    advice={
        Cause.ROLE: "check the setting execution_role_arn and that the role trusts sagemaker.amazonaws.com"
    },
)


class SageMakerRefusedError(SecondLookError):
    """SageMaker did not accept a request; the message holds its own sentence."""


class ResourceConflictError(SecondLookError):
    """A resource of the wanted name exists but holds something else."""


def refused(doing: str, error: ClientError) -> SageMakerRefusedError:
    """Return the one-sentence error for a call of SageMaker that was refused."""
    return SageMakerRefusedError(explain(error, doing, _SAGEMAKER))
