"""Where this deployment lives: bucket, roles, names, labels, instance types and the defaults of a night.

One TOML file holds them (``SECONDLOOK_SETTINGS`` names it; the default is the project's
``include/settings/secondlook.toml``); the Airflow Variable ``secondlook_settings``, a JSON object, is merged
over it key by key.
Nothing here is read while a DAG file is parsed: DAGs get :class:`LazySettings` as a template macro, which
loads on first use, inside the task.
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from secondlook.failures.exceptions import S3UriError, SettingsError
from secondlook.layout import check_prefix
from secondlook.runtime.task_log import leave_log_group

SETTINGS_ENVIRONMENT_VARIABLE = "SECONDLOOK_SETTINGS"
SETTINGS_AIRFLOW_VARIABLE = "secondlook_settings"
DEFAULT_SETTINGS_FILE = Path(__file__).resolve().parents[2] / "include" / "settings" / "secondlook.toml"

RoleArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$", description="ARN of an IAM role")
]
ResourceName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
FlowName = Annotated[str, Field(pattern=r"^[a-z0-9](-*[a-z0-9]){0,62}$")]
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
# SageMaker API Reference, HumanLoopConfig, TaskKeywords.
TaskKeyword = Annotated[str, Field(max_length=30, pattern=r"^[A-Za-z0-9]+( [A-Za-z0-9]+)*$")]
# SageMaker allows 100 MB in flight (CreateTransformJob, MaxPayloadInMB), and an image may have 6 MB.
MOST_CONCURRENT_TRANSFORMS = 100 // 6
ConcurrentTransforms = Annotated[int, Field(ge=1, le=MOST_CONCURRENT_TRANSFORMS)]

# What a rule of pydantic means in words; the key is the error's type.
_ADVICE = {
    "missing": "is missing: add it to the settings",
    "extra_forbidden": "is not a known setting: remove it or check its spelling",
}

_ROLE_FORM = "is not the ARN of an IAM role: write it as arn:aws:iam::<account>:role/<name>"
_FORMS = {
    "execution_role_arn": _ROLE_FORM,
    "flow_role_arn": _ROLE_FORM,
    "review.event_queue_url": "is not the URL of an SQS queue: write https://sqs.<region>.amazonaws.com/"
    "<account>/<queue>, or leave it empty",
    "review.currency": "is not a currency: write its three letters, such as USD",
    "bucket": "is not a bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens",
    "region": "is not an AWS Region: write it as us-east-1, or leave it out to use the connection's",
    "review.task_description": "has more than one line: Amazon A2I takes a single one",
    "holdout_version": "is not a version: use letters, digits, dots, underscores and hyphens",
}
# The same for every entry of a list.
_ENTRY_FORMS = {
    "review.task_keywords": "is not a keyword that Amazon A2I takes: use the letters A to Z, digits and "
    "single spaces",
}


class _Section(BaseModel):
    # TOML and JSON as Python reads it know `inf` and `nan`, which are no setting of anything here.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServingSettings(_Section):
    """The real-time endpoint."""

    instance_type: InstanceType = "ml.m5.xlarge"
    instance_count: int = Field(default=1, ge=1)
    part_size: int = Field(default=500, ge=1, description="images per part file of a night's predictions")
    concurrency: int = Field(default=8, ge=1, le=64, description="images in flight at once")
    shard_size: int = Field(default=10000, ge=1, description="images per scoring task")
    scoring: Literal["auto", "endpoint", "transform"] = "auto"
    max_failure_share: Share = Field(
        default=0.2,
        description="most of a part's images that may fail the same way without being to blame by themselves",
    )
    poll_interval_seconds: float = Field(default=30.0, gt=0)
    timeout_seconds: int = Field(default=3600, ge=1)


class ArchiveSettings(_Section):
    """Scoring by batch transform, without an endpoint: backfill runs."""

    instance_type: InstanceType = "ml.m5.xlarge"
    max_concurrent_transforms: ConcurrentTransforms = 4
    poll_interval_seconds: float = Field(default=30.0, gt=0)
    timeout_seconds: int = Field(default=12 * 3600, ge=1, description="longest wait for one transform job")


class ReviewSettings(_Section):
    """Whom to ask, how much, and what a reviewer is shown."""

    policy: str = Field(default="uncertainty_sum", min_length=1)
    policy_params: dict[str, Any] = Field(default_factory=dict)
    limit: int = Field(default=100, ge=0, description="most images to ask about per night")
    price_per_review: Decimal = Field(
        default=Decimal(0),
        ge=0,
        decimal_places=3,
        description="money for one reviewer's answer about an image",
    )
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    month_limit: int | None = Field(
        default=None, ge=0, description="most images to ask about per calendar month, all nights together"
    )
    night_money: Decimal | None = Field(
        default=None, ge=0, decimal_places=3, description="most money for a night's reviews, all rounds"
    )
    month_money: Decimal | None = Field(
        default=None, ge=0, decimal_places=3, description="most money for a calendar month's reviews"
    )
    deferred_nights: int = Field(
        default=31,
        ge=0,
        le=366,
        description="for how many days after a night was launched later nights take up what it deferred",
    )
    loops_per_second: float = Field(
        default=5.0, gt=0, le=1000, description="most human loops that one night starts in a second"
    )
    audit_share: float = Field(default=0.1, ge=0, le=1)
    predraw_score: float = Field(default=0.25, ge=0, le=1)
    round: int = Field(default=1, ge=1)
    poll_interval_seconds: float = Field(default=60.0, gt=0)
    event_queue_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s]+/\S+)?$",
        description="SQS queue with the events about ended reviews; empty: there is none",
    )
    timeout_seconds: int = Field(
        default=7 * 24 * 3600, ge=1, description="longest wait for the night's reviewers"
    )
    task_title: str = Field(default="Correct the boxes", min_length=1, max_length=128)
    task_description: str = Field(
        default="Draw a box around every object and give it its label.",
        min_length=1,
        max_length=255,
        pattern=r"^.+$",
    )
    task_keywords: tuple[TaskKeyword, ...] = Field(default=("image", "bounding box"), max_length=5)
    task_count: int = Field(default=1, ge=1, le=3, description="reviewers per image")
    task_time_limit_seconds: int = Field(default=3600, ge=30, le=28800)
    task_availability_seconds: int = Field(default=5 * 24 * 3600, ge=1, le=864000)

    @field_validator("night_money", "month_money")
    @classmethod
    def _money_needs_a_price(cls, most: Decimal | None, values: ValidationInfo) -> Decimal | None:
        # A price that cannot be read has its own sentence.
        if most is not None and values.data.get("price_per_review") == 0:
            raise ValueError("a limit in money needs review.price_per_review: set what a review costs")
        return most

    @field_validator("policy_params")
    @classmethod
    def _params_are_finite(cls, params: dict[str, Any]) -> dict[str, Any]:
        if not _finite(params):
            raise ValueError("infinity and NaN are no parameters of a policy: write a finite number")
        return params


class TrainingSettings(_Section):
    """Incremental training, and the hyperparameters that differ from the parent's."""

    instance_type: InstanceType = "ml.g4dn.xlarge"
    volume_size_gb: int = Field(default=50, ge=1)
    max_runtime_seconds: int = Field(default=4 * 3600, ge=1)
    poll_interval_seconds: float = Field(default=30.0, gt=0)
    min_new_answers: int = Field(default=50, ge=1)
    candidate_timeout_seconds: int = Field(
        default=6 * 3600, ge=0, description="longest wait for another night's challenger"
    )
    replay_ratio: float = Field(default=1.0, ge=0, description="old images per new answer")
    validation_share: Share = 0.1
    control_arm: bool = False
    require_approval: bool = Field(default=False, description="whether a person approves each promotion")
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class BootstrapSettings(_Section):
    """The first model."""

    validation_share: Share = 0.2
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class EvaluationSettings(_Section):
    """Batch transform of the holdout and the rule that decides."""

    instance_type: InstanceType = "ml.m5.xlarge"
    max_concurrent_transforms: ConcurrentTransforms = 4
    timeout_seconds: int = Field(default=3600, ge=1)
    min_images: int = Field(default=50, ge=1)
    min_delta: float = Field(default=0.0, ge=0, le=1)
    max_slice_loss: float = Field(default=0.02, ge=0, le=1)


class Settings(_Section):
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
        sentences = [_sentence(fault) for fault in invalid.errors()]
        raise SettingsError(f"Settings from {source} cannot be used. " + " ".join(sentences)) from None


def _sentence(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "hyperparameters":
        return str(fault["msg"])
    if fault["type"] in _ADVICE:
        return f"{key} {_ADVICE[fault['type']]}."
    if fault["type"] == "string_pattern_mismatch":
        form = _FORMS.get(key) or _ENTRY_FORMS.get(key.rpartition(".")[0])
        form = form or f"does not have the form {fault['ctx']['pattern']}"
        return f"{key} = {fault['input']!r} {form}."
    if fault["type"] == "too_short":
        return f"{key} has too few entries: give {fault['ctx']['min_length']} or more."
    if fault["type"] == "too_long":
        return f"{key} has too many entries: give {fault['ctx']['max_length']} at most."
    if fault["type"] == "less_than_equal" and key.endswith("max_concurrent_transforms"):
        return (
            f"{key} = {fault['input']!r}: SageMaker allows 100 MB in flight and an image may have 6 MB, so "
            f"{MOST_CONCURRENT_TRANSFORMS} is the most."
        )
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key} = {fault['input']!r}: {message[0].lower()}{message[1:]}."


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def load_settings() -> Settings:
    """Read the settings file and merge the Airflow Variable over it. Call inside a task only.

    Raises
    ------
    SettingsError
        The file cannot be read, the Variable is no JSON object, or a value is wrong.
    """
    path = Path(os.environ.get(SETTINGS_ENVIRONMENT_VARIABLE) or DEFAULT_SETTINGS_FILE)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}): create it or let "
            f"{SETTINGS_ENVIRONMENT_VARIABLE} name another file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from None
    override = _airflow_variable()
    source = str(path) + (f" and the Airflow Variable {SETTINGS_AIRFLOW_VARIABLE}" if override else "")
    return parse_settings(merge(values, override), source)


def _airflow_variable() -> dict[str, Any]:
    from airflow.sdk import Variable

    text = Variable.get(SETTINGS_AIRFLOW_VARIABLE, default=None)
    if not text:
        return {}
    try:
        override = json.loads(text)
    except ValueError as error:
        raise SettingsError(
            f"The Airflow Variable {SETTINGS_AIRFLOW_VARIABLE} is not JSON: {error}."
        ) from None
    if not isinstance(override, dict):
        raise SettingsError(
            f"The Airflow Variable {SETTINGS_AIRFLOW_VARIABLE} must be a JSON object with settings, "
            f"not a {type(override).__name__}."
        )
    return override


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """``override`` over ``base``; objects are merged key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


class LazySettings:
    """The template macro ``settings``: ``{{ settings.bucket }}``. Loads once, when first used."""

    @cached_property
    def _loaded(self) -> Settings:
        try:
            return load_settings()
        except SettingsError:
            leave_log_group()
            raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in Settings.model_fields:
            raise AttributeError(f"There is no setting named {name!r}.")
        return getattr(self._loaded, name)

    def __repr__(self) -> str:
        # The same text at every parse, so that the DAG's serialised form does not change.
        return "<settings>"


def choose(value: Any, default: Any) -> Any:
    """``value`` unless it is None: what the trigger form leaves empty comes from the settings."""
    return default if value is None else value
