"""The sections of the settings: one class for each table of the TOML file, with defaults and rules."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from secondlook.failures.exceptions import SettingsError
from secondlook.settings.sentences import sentences
from secondlook.settings.types import (
    BUILT_IN_POLICIES,
    ConcurrentTransforms,
    ImportPath,
    InstanceType,
    Share,
    TaskKeyword,
)


class Section(BaseModel):
    """A table of the settings; an operator takes it as one argument."""

    # TOML, and JSON as Python reads it, have `inf` and `nan`, which are never valid here.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def override(self, **values: Any) -> Self:
        """Return the section for one run: each value that is not None replaces the setting's.

        Raises
        ------
        SettingsError
            A name that the section does not have, or a value that breaks its rule.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if not given:
            return self
        try:
            return type(self).model_validate({**self.model_dump(), **given})
        except ValidationError as invalid:
            faults = sentences(invalid, type(self))
            raise SettingsError(f"This run's parameters cannot be used. {faults}") from None


class ServingSettings(Section):
    """The real-time endpoint."""

    instance_type: InstanceType = Field(default="ml.m5.xlarge", description="of the endpoint")
    instance_count: int = Field(default=1, ge=1, description="instances of a new endpoint")
    part_size: int = Field(default=500, ge=1, description="images per part file of a night's predictions")
    concurrency: int = Field(default=8, ge=1, le=64, description="images in flight at once")
    shard_size: int = Field(default=10000, ge=1, description="images per scoring task")
    scoring: Literal["auto", "endpoint", "transform"] = Field(
        default="auto", description="auto: batch transform in backfill runs, the endpoint otherwise"
    )
    max_failure_share: Share = Field(
        default=0.2,
        description="most of a part's images that may fail the same way without being to blame by themselves",
    )
    poll_interval_seconds: float = Field(default=30.0, gt=0, description="between two looks of the triggerer")
    timeout_seconds: int = Field(default=3600, ge=1, description="longest wait for a deployment")


class ArchiveSettings(Section):
    """Scoring by batch transform, without an endpoint: backfill runs."""

    instance_type: InstanceType = Field(default="ml.m5.xlarge", description="of the transform job")
    max_concurrent_transforms: ConcurrentTransforms = Field(default=4, description="images in flight at once")
    poll_interval_seconds: float = Field(default=30.0, gt=0, description="between two looks of the triggerer")
    timeout_seconds: int = Field(default=12 * 3600, ge=1, description="longest wait for one transform job")


class ReviewSettings(Section):
    """Which images people review, at what cost, and what reviewers see."""

    policy: str = Field(
        default="uncertainty_sum",
        min_length=1,
        description="uncertainty_sum, top_score, random, or an import path, package.module:Class",
    )
    own_policies: tuple[ImportPath, ...] = Field(
        default=(), description="import paths that a run's review_policy may name besides the built-in names"
    )
    policy_params: dict[str, Any] = Field(
        default_factory=dict, description="parameters of the policy, such as {threshold = 0.5} of top_score"
    )
    limit: int = Field(default=100, ge=0, description="most images to ask about per night")
    price_per_review: Decimal = Field(
        default=Decimal(0),
        ge=0,
        decimal_places=3,
        description="money for one reviewer's answer about an image",
    )
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="of prices and money limits")
    month_limit: int | None = Field(
        default=None, ge=0, description="most images to ask about per calendar month, all nights together"
    )
    night_money: Decimal | None = Field(
        default=None, ge=0, decimal_places=3, description="most money for a night's reviews, all rounds"
    )
    month_money: Decimal | None = Field(
        default=None, ge=0, decimal_places=3, description="most money for a calendar month's reviews"
    )
    postponed_nights: int = Field(
        default=31,
        ge=0,
        le=366,
        description="days after its launch in which later nights may take up what a night postponed",
    )
    loops_per_second: float = Field(
        default=5.0, gt=0, le=1000, description="most human loops that one night starts in a second"
    )
    audit_share: Share = Field(default=0.1, description="share of the limit that is drawn at random")
    predraw_score: Share = Field(default=0.25, description="boxes from this score up are drawn already")
    round: int = Field(
        default=1, ge=1, description="part of a loop's name; a night that has its ledger keeps its round"
    )
    poll_interval_seconds: float = Field(default=60.0, gt=0, description="between two looks of the triggerer")
    event_queue_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s]+/\S+)?$",
        description="SQS queue with the events about ended reviews; empty: there is none",
    )
    timeout_seconds: int = Field(
        default=7 * 24 * 3600, ge=1, description="longest wait for the night's reviewers"
    )
    worker_template: str = Field(
        default="", description="file of the worker template; empty: the project's own"
    )
    task_title: str = Field(
        default="Correct the boxes", min_length=1, max_length=128, description="shown to reviewers"
    )
    task_description: str = Field(
        default="Draw a box around every object and give it its label.",
        min_length=1,
        max_length=255,
        pattern=r"^.+$",
        description="shown to reviewers, one line",
    )
    task_keywords: tuple[TaskKeyword, ...] = Field(
        default=("image", "bounding box"), max_length=5, description="shown to workers of Amazon A2I"
    )
    task_count: int = Field(default=1, ge=1, le=3, description="reviewers per image")
    task_time_limit_seconds: int = Field(
        default=3600, ge=30, le=28800, description="longest time that one person may keep an image"
    )
    task_availability_seconds: int = Field(
        default=5 * 24 * 3600, ge=1, le=864000, description="after this a loop without its answers expires"
    )

    def override(self, **values: Any) -> Self:
        """Like any section's, with two rules for another policy.

        It does not inherit the parameters meant for this one. And where it is named by import path, that path
        must be this one's or one of ``own_policies``: importing a module runs it, and anybody who may trigger
        a run gives the name.
        """
        policy = values.get("policy")
        if ":" in str(policy) and policy not in (self.policy, *self.own_policies):
            raise SettingsError(
                f"This run's parameters cannot be used. The review policy {str(policy)[:200]!r} is not in "
                "review.own_policies: list it there, in the settings file, or choose one of "
                f"{', '.join((*BUILT_IN_POLICIES, *self.own_policies))}."
            )
        if values.get("policy") is not None and values.get("policy_params") is None:
            values["policy_params"] = {}
        return super().override(**values)

    @field_validator("night_money", "month_money")
    @classmethod
    def _money_needs_a_price(cls, most: Decimal | None, values: ValidationInfo) -> Decimal | None:
        # An invalid price has an error of its own.
        if most is not None and values.data.get("price_per_review") == 0:
            raise ValueError("a limit in money needs review.price_per_review: set what a review costs")
        return most

    @field_validator("policy_params")
    @classmethod
    def _params_are_finite(cls, params: dict[str, Any]) -> dict[str, Any]:
        if not _finite(params):
            raise ValueError("infinity and NaN are no parameters of a policy: write a finite number")
        return params


class TrainingSettings(Section):
    """Incremental training, and the hyperparameters that differ from the parent's."""

    instance_type: InstanceType = Field(default="ml.g4dn.xlarge", description="of the training job")
    volume_size_gb: int = Field(default=50, ge=1, description="disk of the training instance")
    max_runtime_seconds: int = Field(
        default=4 * 3600,
        ge=1,
        le=28 * 86400,
        description="SageMaker stops a training job after this time",
    )
    poll_interval_seconds: float = Field(default=30.0, gt=0, description="between two looks of the triggerer")
    min_new_answers: int = Field(
        default=50, ge=1, description="with fewer new answers nothing is trained and the answers wait"
    )
    challenger_timeout_seconds: int = Field(
        default=6 * 3600, ge=0, description="longest wait for another night's challenger"
    )
    replay_ratio: float = Field(default=1.0, ge=0, description="old images per new answer")
    validation_share: Share = Field(default=0.1, description="share of the answers that only validates")
    control_arm: bool = Field(default=False, description="also train as many steps on old images only")
    require_approval: bool = Field(default=False, description="whether a person approves each promotion")
    hyperparameters: dict[str, Any] = Field(
        default_factory=dict, description="those that differ from the parent model's"
    )

    @property
    def timeout_seconds(self) -> int:
        """Longest wait for a job: SageMaker itself stops it, and the hour more is for starting it."""
        return self.max_runtime_seconds + 3600


class BootstrapSettings(Section):
    """The first model."""

    validation_share: Share = Field(default=0.2, description="share that validates, where no list says which")
    hyperparameters: dict[str, Any] = Field(default_factory=dict, description="of the first training")


class EvaluationSettings(Section):
    """Batch transform of the holdout, and the promotion rule."""

    instance_type: InstanceType = Field(default="ml.m5.xlarge", description="of the transform job")
    max_concurrent_transforms: ConcurrentTransforms = Field(default=4, description="images in flight at once")
    poll_interval_seconds: float = Field(default=30.0, gt=0, description="between two looks of the triggerer")
    timeout_seconds: int = Field(default=3600, ge=1, description="longest wait for the transform jobs")
    min_images: int = Field(default=50, ge=1, description="a smaller holdout never promotes")
    min_delta: Share = Field(default=0.0, description="the interval of the pooled gain must lie above it")
    max_slice_loss: Share = Field(default=0.02, description="most mAP@0.5 that any slice may lose")


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
