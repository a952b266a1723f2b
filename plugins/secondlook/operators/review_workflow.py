"""Setting up human review once, and taking it down: worker template, work team, flow definition."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from secondlook.failures.aws import error_code, error_message
from secondlook.hooks.clients import S3ClientHook
from secondlook.hooks.flow_definitions import FlowDefinition, ReviewWorkflow, cors_allows_reading
from secondlook.hooks.human_loops import HumanReviewService, ReviewSetupError
from secondlook.names import MAX_NAME_LENGTH, ROLE_ARN, human_task_ui_name
from secondlook.operators.base import SecondLookOperator, is_template
from secondlook.review import PredrawnBox, input_content
from secondlook.runtime.links import ReviewLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

PROJECT_ROOT = Path(__file__).resolve().parents[3]
TEMPLATE_PATH = "include/worker_template/bounding_box.liquid.html"
# A worker template's name is <flow definition>-<12 digits of a hash>.
_MAX_UI_PREFIX = MAX_NAME_LENGTH - 13
# What A2I needs on the bucket of the images, or reviewers see no image (SageMaker Developer Guide, "CORS
# Permission Requirement").
CORS_ADVICE = (
    '[{"AllowedHeaders": [], "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": []}]'
)


class ReviewWorkflowOperator(SecondLookOperator):
    """What creating and removing share.

    :param flow_definition_name: name of the flow definition (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        "flow_definition_name",
        "a2i_conn_id",
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(self, *, flow_definition_name: str, a2i_conn_id: str = "a2i_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_definition_name = flow_definition_name
        self.a2i_conn_id = a2i_conn_id
        self.check_text("flow_definition_name", flow_definition_name, r"[a-z0-9](-*[a-z0-9]){0,62}")

    @cached_property
    def workflow(self) -> ReviewWorkflow:
        """The review workflow's service (after rendering)."""
        return ReviewWorkflow(HumanReviewService(self.a2i_conn_id, self.region_name))

    def human_task_ui_name(self, template: str) -> str:
        """Name the worker template after the flow definition and a hash of its content."""
        return human_task_ui_name(self.flow_definition_name[:_MAX_UI_PREFIX].rstrip("-"), template)


class ReviewWorkflowCreateOperator(ReviewWorkflowOperator):
    """Makes sure that human loops can be started: checks the work team, then template and flow definition.

    Safe to run again: what exists just so is used as it is; what exists otherwise is a fault, because Amazon
    A2I can change neither a worker template nor a flow definition. Before anything is created the service
    renders the template with an example, since starting a loop would not reveal a broken one.

    Returns ``{"flow_definition", "flow_definition_arn", "human_task_ui_arn", "workteam_arn", "portal",
    "warnings"}``; the portal is where reviewers work, and warnings say what in the template would keep them
    from submitting an answer on a Review Desk.

    What it does not do: create the work team (inviting people is a person's decision), the role, or the
    bucket's CORS rules, about which it only warns.

    :param flow_role_arn: role with which A2I reads images and writes answers (templated).
    :param workteam_name: name of the private work team (templated).
    :param labels: labels offered to reviewers (templated).
    :param task_title: title of the task, 1 to 128 characters (templated).
    :param task_description: description of the task, 1 to 255 characters on one line (templated).
    :param task_keywords: 1 to 5 search words of at most 30 characters (templated).
    :param task_count: reviewers per image, 1 to 3 (templated).
    :param task_availability_seconds: how long a task is offered before its loop expires (templated).
    :param task_time_limit_seconds: how long one reviewer may hold a task, from 30 (templated).
    :param template_path: worker template, relative to the project's root.
    """

    template_fields: Sequence[str] = (
        *ReviewWorkflowOperator.template_fields,
        "flow_role_arn",
        "workteam_name",
        "labels",
        "task_title",
        "task_description",
        "task_keywords",
        "task_count",
        "task_availability_seconds",
        "task_time_limit_seconds",
    )

    def __init__(
        self,
        *,
        flow_role_arn: str,
        workteam_name: str,
        labels: Sequence[str] | str,
        task_title: str,
        task_description: str,
        task_keywords: Sequence[str] | str = ("image", "bounding box"),
        task_count: int | str = 1,
        task_availability_seconds: int | str = 432_000,
        task_time_limit_seconds: int | str = 3_600,
        template_path: str = TEMPLATE_PATH,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_role_arn = flow_role_arn
        self.workteam_name = workteam_name
        self.labels = labels
        self.task_title = task_title
        self.task_description = task_description
        self.task_keywords = task_keywords
        self.task_count = task_count
        self.task_availability_seconds = task_availability_seconds
        self.task_time_limit_seconds = task_time_limit_seconds
        self.template_path = template_path
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Check, create what is missing, and return the ARNs."""
        self._check_arguments()
        template = self._read_template()
        self._warn_about_cors()
        workteam_arn, portal = self.workflow.workteam(self.workteam_name)
        warnings = self.workflow.preflight(template, self._example(), self.flow_role_arn)
        for warning in warnings:
            self.log.warning("Reviewers could not submit answers to %s: %s", self.template_path, warning)
        ui_arn = self.workflow.ensure_human_task_ui(self.human_task_ui_name(template), template)
        flow_arn = self.workflow.ensure_flow(self._flow(workteam_arn, ui_arn))
        ReviewLink.persist(
            context, self, client=self.workflow.service.control, name=self.flow_definition_name
        )
        self.log.info("Human review is ready: %s; reviewers work at %s.", flow_arn, portal or "their portal")
        return {
            "flow_definition": self.flow_definition_name,
            "flow_definition_arn": flow_arn,
            "human_task_ui_arn": ui_arn,
            "workteam_arn": workteam_arn,
            "portal": portal,
            "warnings": warnings,
        }

    def _check_arguments(self) -> None:
        self.check_text("flow_role_arn", self.flow_role_arn, ROLE_ARN)
        self.check_text("workteam_name", self.workteam_name)
        self.check_text("task_title", self.task_title, r"(?s).{1,128}")
        self.check_text("task_description", self.task_description, r".{1,255}")
        self.check_number("task_count", self.task_count, minimum=1, maximum=3)
        self.check_number("task_availability_seconds", self.task_availability_seconds, minimum=1)
        self.check_number("task_time_limit_seconds", self.task_time_limit_seconds, minimum=30)
        self._check_texts("labels", self.labels, None, r"(?s).+")
        self._check_texts("task_keywords", self.task_keywords, 5, r"(?=.{1,30}$)[A-Za-z0-9]+( [A-Za-z0-9]+)*")

    def _check_texts(self, argument: str, values: Any, most: int | None, pattern: str) -> None:
        if is_template(values):
            return
        if isinstance(values, str) or not values or (most is not None and len(values) > most):
            raise self.wrong(
                argument, f"must be a list of 1 to {most or 'any number of'} texts, not {values!r}"
            )
        for value in values:
            self.check_text(argument, value, pattern)

    def _read_template(self) -> str:
        path = PROJECT_ROOT / self.template_path
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReviewSetupError(
                f"The worker template {path} cannot be read ({error}): restore it or correct template_path."
            ) from error

    def _example(self) -> str:
        return input_content(
            image=self.layout.uri(self.layout.example_image()),
            etag="example",
            width=320,
            height=240,
            model="example",
            night="2000-01-01",
            labels=self.labels,
            predrawn=[PredrawnBox(label=self.labels[0], left=32, top=24, width=64, height=48)],
        )

    def _flow(self, workteam_arn: str, ui_arn: str) -> FlowDefinition:
        return FlowDefinition(
            name=self.flow_definition_name,
            role_arn=self.flow_role_arn,
            workteam_arn=workteam_arn,
            human_task_ui_arn=ui_arn,
            title=self.task_title,
            description=self.task_description,
            keywords=tuple(self.task_keywords),
            task_count=int(self.task_count),
            availability_seconds=int(self.task_availability_seconds),
            time_limit_seconds=int(self.task_time_limit_seconds),
            output_uri=self.layout.uri(self.layout.a2i_output()),
        )

    def _warn_about_cors(self) -> None:
        client = S3ClientHook(self.aws_conn_id, self.region_name).client
        try:
            rules = client.get_bucket_cors(Bucket=self.bucket)["CORSRules"]
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                raise ReviewSetupError(
                    f"The bucket {self.bucket} does not exist as seen by the connection {self.aws_conn_id}: "
                    "create it, or correct the setting bucket."
                ) from error
            if error_code(error) != "NoSuchCORSConfiguration":
                self.log.warning(
                    "CORS of bucket %s could not be checked: %s", self.bucket, error_message(error)
                )
                return
            rules = []
        if not cors_allows_reading(rules):
            self.log.warning(
                "The bucket %s has no CORS rule that lets browsers read from it; on Amazon A2I reviewers "
                "would see no image. Add this rule to its permissions: %s",
                self.bucket,
                CORS_ADVICE,
            )


class ReviewWorkflowRemoveOperator(ReviewWorkflowOperator):
    """Removes the flow definition and its worker template; answers in S3 and the work team stay.

    Returns ``{"flow_definition", "removed"}``; removing what is not there is no fault.

    :param force: remove it also while human loops are open: those that nobody has begun are lost (templated).
    """

    template_fields: Sequence[str] = (*ReviewWorkflowOperator.template_fields, "force")

    def __init__(self, *, force: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.force = force

    def execute(self, context: Context) -> dict[str, Any]:
        """Refuse while people are at work, otherwise remove.

        Raises
        ------
        ReviewSetupError
            Human loops are open and ``force`` is false.
        """
        name = self.flow_definition_name
        flow = self.workflow.service.describe_flow(name)
        if flow is None:
            self.log.info("There is no flow definition %s in %s.", name, self.workflow.service.place)
            return {"flow_definition": name, "removed": False}
        open_loops = self.workflow.open_loops(flow["FlowDefinitionArn"])
        if open_loops and self.force is not True:
            raise ReviewSetupError(
                f"{open_loops} human loops are open on the flow definition {name} in "
                f"{self.workflow.service.place}: wait for the reviewers, or set force to remove it and lose "
                "those that nobody has begun."
            )
        self.workflow.delete_flow(name)
        ui_name = str(flow["HumanLoopConfig"]["HumanTaskUiArn"]).rpartition("/")[2]
        if ui_name.startswith(name[:_MAX_UI_PREFIX].rstrip("-") + "-"):
            self.workflow.delete_human_task_ui(ui_name)
        self.log.info("Removed the flow definition %s; %d human loops were open.", name, open_loops)
        return {"flow_definition": name, "removed": True}
