"""Amazon Resource Names of the kinds of resources served here, and AWS's error sentences about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.aws_protocol import ServiceError

if TYPE_CHECKING:
    from include.local_sagemaker.state import Document, Store

MODEL = "model"
ENDPOINT_CONFIG = "endpoint-config"
ENDPOINT = "endpoint"
TRAINING_JOB = "training-job"
TRANSFORM_JOB = "transform-job"

_NOUNS = {MODEL: "model", ENDPOINT_CONFIG: "endpoint configuration", ENDPOINT: "endpoint"}


@dataclass(frozen=True)
class Place:
    """The region and account in which everything here lives."""

    region: str
    account_id: str

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"


def invalid(message: str) -> ServiceError:
    """Return the error with which SageMaker answers nearly every invalid request."""
    return ServiceError("ValidationException", message)


def not_found(place: Place, kind: str, name: str) -> ServiceError:
    """Return SageMaker's answer to a name that does not exist; a ``ValidationException``, as on AWS."""
    if kind == TRAINING_JOB:
        return invalid("Requested resource not found.")
    if kind == TRANSFORM_JOB:
        return invalid(f"Could not find requested job with name: {name}")
    return invalid(f'Could not find {_NOUNS[kind]} "{place.arn(kind, name)}".')


def already_exists(place: Place, kind: str, name: str) -> ServiceError:
    """Return SageMaker's answer to a name that is taken."""
    if kind in (TRAINING_JOB, TRANSFORM_JOB):
        return ServiceError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name "
            f"already exists ({place.arn(kind, name)}).",
        )
    return invalid(f'Cannot create already existing {_NOUNS[kind]} "{place.arn(kind, name)}".')


def find(store: Store, place: Place, kind: str, name: str) -> Document:
    """Return a stored resource, or raise SageMaker's sentence for one that does not exist."""
    document = store.get(kind, name)
    if document is None:
        raise not_found(place, kind, name)
    return document
