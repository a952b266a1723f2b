"""A model as SageMaker serves it: by the endpoint, in an evaluation or in a batch transform of a night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from secondlook import names

if TYPE_CHECKING:
    from secondlook.training.card import Champion, ModelCard


class Models(Protocol):
    """The part of a SageMaker client that a model needs."""

    def ensure_model(self, name: str, *, artifact: str, image: str, role_arn: str) -> None:
        """Create the model, or find it with the same artifact and image."""


@dataclass(frozen=True, slots=True)
class ServableModel:
    """What a SageMaker model is made of; all who serve the same share one.

    Attributes
    ----------
    model
        Id of the model.
    artifact
        ``s3://`` address of the model.tar.gz.
    image
        Address of the inference image.
    role_arn
        Role that the model runs under.
    """

    model: str
    artifact: str
    image: str
    role_arn: str

    @classmethod
    def of(cls, source: ModelCard | Champion, role_arn: str) -> Self:
        """Return the model of a card or of the champion pointer."""
        return cls(source.model, source.artifact, source.image, role_arn)

    @property
    def resource_name(self) -> str:
        """Name of the SageMaker model: a hash of its artifact, image and role."""
        return names.model_resource_name(names.PREFIX, self.artifact, self.image, self.role_arn)

    def ensure(self, sagemaker: Models) -> str:
        """Create the SageMaker model unless it exists, and return its name."""
        name = self.resource_name
        sagemaker.ensure_model(name, artifact=self.artifact, image=self.image, role_arn=self.role_arn)
        return name
