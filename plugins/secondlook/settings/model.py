"""All settings of a deployment, and what they have to be."""

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
    """All that differs from one deployment to the next."""

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    prefix: str = "second-look"
    # Every Region that botocore lists has this form, those of other partitions included.
    region: str | None = Field(default=None, pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")
    aws_conn_id: str = "aws_default"
    a2i_conn_id: str = "a2i_default"
    airflow_conn_id: str = Field(
        default="",
        description="Airflow's own REST API, for the note of the task launch; empty: it gets none",
    )
    execution_role_arn: RoleArn
    flow_role_arn: RoleArn
    endpoint_name: ResourceName = "second-look"
    flow_definition: FlowName = "second-look"
    workteam_name: ResourceName = "second-look"
    labels: tuple[str, ...] = Field(min_length=1)
    holdout_version: str = Field(default="v1", pattern=r"^[A-Za-z0-9._-]+$")
    image_uri: str | None = Field(default=None, min_length=1)
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
        raise SettingsError(f"Settings from {source} cannot be used. {sentences(invalid)}") from None
