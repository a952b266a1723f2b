"""Setting up human review once: worker template, work team, flow definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.names import FLOW_NAME, ROLE_ARN, human_task_ui_name
from secondlook.operators.base import SecondLookOperator
from secondlook.runtime.links import ReviewLink
from secondlook.settings import ReviewSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class ReviewWorkflowCreateOperator(SecondLookOperator):
    """Makes sure that human loops can start: checks the work team, then template and flow definition.

    Safe to run again: what exists as wanted is used; what differs is a fault, because Amazon A2I can change
    neither a worker template nor a flow definition. The service first renders the template with an example.

    Returns ``{"flow_definition", "flow_definition_arn", "human_task_ui_arn", "workteam_arn", "portal",
    "warnings"}``; the portal is where reviewers work, and warnings say what in the template would keep them
    from submitting an answer on a Review Desk.

    What it does not do: create the work team, the role, or the bucket's CORS rules: it only warns of these.

    :param flow_definition_name: name of the flow definition (templated).
    :param flow_role_arn: role with which A2I reads images and writes answers (templated).
    :param workteam_name: name of the private work team (templated).
    :param labels: labels offered to reviewers (templated).
    :param review: the settings' section ``review``: what reviewers are told, and the template (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields: Sequence[str] = (
        *SecondLookOperator.template_fields,
        *("flow_definition_name", "flow_role_arn", "workteam_name", "labels", "review", "a2i_conn_id"),
    )
    operator_extra_links = (ReviewLink(),)

    def __init__(
        self,
        *,
        flow_definition_name: str,
        flow_role_arn: str,
        workteam_name: str,
        labels: Sequence[str] | str,
        review: ReviewSettings | dict[str, Any] | str,
        a2i_conn_id: str = "a2i_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_definition_name = flow_definition_name
        self.flow_role_arn = flow_role_arn
        self.workteam_name = workteam_name
        self.labels = labels
        self.review = review
        self.a2i_conn_id = a2i_conn_id
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Check, create what is missing, and return the ARNs."""
        from secondlook.hooks.a2i import A2IHook
        from secondlook.hooks.flow_definitions import FlowDefinitionHook
        from secondlook.launching.cors import cors_fault
        from secondlook.review.flow_definition import FlowDefinition
        from secondlook.review.loop_input import example_content
        from secondlook.worker_template import read_template

        review, name = self._check_arguments(), self.flow_definition_name
        template = read_template(review.worker_template)
        if fault := cors_fault(self.bucket, self.aws_conn_id, self.region_name):
            self.log.warning(fault)
        workflow = FlowDefinitionHook(A2IHook(self.a2i_conn_id, self.region_name))
        workteam_arn, portal = workflow.workteam(self.workteam_name)
        example = example_content(self.layout.uri(self.layout.example_image()), self.labels)
        warnings = workflow.preflight(template, example, self.flow_role_arn)
        for warning in warnings:
            self.log.warning("Reviewers could not submit answers: %s", warning)
        ui_arn = workflow.ensure_human_task_ui(human_task_ui_name(name, template), template)
        output = self.layout.uri(self.layout.a2i_output())
        flow = FlowDefinition.of(review, name, self.flow_role_arn, workteam_arn, ui_arn, output)
        flow_arn = workflow.ensure_flow(flow)
        ReviewLink.persist(context, self, client=workflow.service.control, name=name)
        self.log.info("Human review is ready: %s; reviewers work at %s.", flow_arn, portal or "their portal")
        return {
            "flow_definition": name,
            "flow_definition_arn": flow_arn,
            "human_task_ui_arn": ui_arn,
            "workteam_arn": workteam_arn,
            "portal": portal,
            "warnings": warnings,
        }

    def _check_arguments(self) -> ReviewSettings:
        self.check_text("flow_definition_name", self.flow_definition_name, FLOW_NAME)
        self.check_text("flow_role_arn", self.flow_role_arn, ROLE_ARN)
        self.check_text("workteam_name", self.workteam_name)
        self.check_labels(self.labels)
        return self.check_section("review", self.review, ReviewSettings)
