"""All settings of a deployment, with their rules."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from secondlook.failures.exceptions import S3UriError, SettingsError
from secondlook.layout import check_prefix
from secondlook.settings.sections import (
    ArchiveSettings,
    BootstrapSettings,
    EvaluationSettings,
    ReviewSettings,
    Section,
    ServingSettings,
    TrainingSettings,
)
from secondlook.settings.sentences import sentences
from secondlook.settings.types import FlowName, ResourceName, RoleArn


class Settings(Section):
    """Everything that differs between deployments."""

    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="images in, everything else out"
    )
    prefix: str = Field(default="second-look", description="start of all keys, and a tag of every resource")
    # Every Region that botocore lists has this form, those of other partitions included.
    region: str | None = Field(
        default=None, pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$", description="none: the connection's"
    )
    aws_conn_id: str = Field(default="aws_default", description="Airflow connection for S3 and SageMaker")
    a2i_conn_id: str = Field(default="a2i_default", description="Amazon A2I or a Review Desk")
    airflow_conn_id: str = Field(
        default="",
        description="Airflow's own REST API, for the note of the task launch; empty: it gets none",
    )
    execution_role_arn: RoleArn = Field(description="role of models, training and transform jobs")
    flow_role_arn: RoleArn = Field(description="role of the flow definition and the worker template")
    endpoint_name: ResourceName = Field(default="second-look", description="the real-time endpoint")
    flow_definition: FlowName = Field(default="second-look", description="the flow definition of the reviews")
    workteam_name: ResourceName = Field(default="second-look", description="the private work team")
    labels: tuple[str, ...] = Field(
        min_length=1, description="a label's place is its class id; frozen with the first model"
    )
    holdout_version: str = Field(
        default="v1", pattern=r"^[A-Za-z0-9._-]+$", description="folder of the frozen holdout"
    )
    image_uri: str | None = Field(
        default=None, min_length=1, description="the algorithm's image; none: Amazon's of the Region"
    )
    serving: ServingSettings = Field(default_factory=ServingSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    review: ReviewSettings = Field(default_factory=ReviewSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    bootstrap: BootstrapSettings = Field(default_factory=BootstrapSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)

    @field_validator("prefix")
    @classmethod
    def _prefix_makes_keys_and_tags(cls, prefix: str) -> str:
        try:
            return check_prefix(prefix)
        except S3UriError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @field_validator("holdout_version")
    @classmethod
    def _version_is_a_folder(cls, version: str) -> str:
        if not version.strip("."):
            raise ValueError("a version is the name of a folder: use at least one letter or digit")
        return version

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        from include.formats.text import normal

        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct, because a label's place in the list is its class id")
        spellings: dict[str, int] = {}
        for place, label in enumerate(labels):
            if not normal(label):
                raise ValueError("a label must not be empty")
            first = spellings.setdefault(normal(label), place)
            if first != place:
                raise ValueError(
                    f"labels {first + 1} and {place + 1} ({labels[first]!r} and {label!r}) look the same: "
                    "they differ only by spaces, invisible characters or the Unicode form; keep one"
                )
        return labels

    @field_validator("training", "bootstrap")
    @classmethod
    def _hyperparameters_are_the_algorithms(
        cls, section: TrainingSettings | BootstrapSettings, values: ValidationInfo
    ) -> TrainingSettings | BootstrapSettings:
        from secondlook.training.hyperparameters import faults_of

        key = f"{values.field_name}.hyperparameters"
        faults = faults_of(section.hyperparameters, key=key, image=values.data.get("image_uri"))
        if faults:
            raise PydanticCustomError("hyperparameters", "{sentences}", {"sentences": " ".join(faults)})
        return section


def parse_settings(values: dict[str, Any], source: str) -> Settings:
    """Validate plain values; ``source`` is named in the message.

    Raises
    ------
    SettingsError
        One sentence per fault, each naming its key.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as invalid:
        faults = sentences(invalid, Settings)
        raise SettingsError(f"Settings from {source} cannot be used. {faults}") from None
