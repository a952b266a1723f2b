"""Taking human review down: flow definition and worker template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import ReviewSetupError
from secondlook.names import FLOW_NAME
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReviewWorkflowRemoveOperator(SecondLookOperator):
    """Removes the flow definition and its worker template; answers in S3 and the work team stay.

    Returns ``{"flow_definition", "removed"}``; removing what is not there is no fault.

    :param flow_definition_name: name of the flow definition (templated).
    :param force: remove it although human loops are open; those not begun are lost (templated).
    :param a2i_conn_id: Airflow connection of Amazon A2I or a Review Desk (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "flow_definition_name", "force", "a2i_conn_id")

    def __init__(
        self,
        *,
        flow_definition_name: str,
        force: bool | str = False,
        a2i_conn_id: str = "a2i_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_definition_name = flow_definition_name
        self.force = force
        self.a2i_conn_id = a2i_conn_id
        self.check_text("flow_definition_name", flow_definition_name, FLOW_NAME)

    def execute(self, context: Context) -> dict[str, Any]:
        """Refuse while people are at work, otherwise remove.

        :raises ReviewSetupError: human loops are open and ``force`` is false.
        """
        from secondlook.hooks.a2i import A2IHook
        from secondlook.hooks.flow_definitions import FlowDefinitionHook

        name = self.flow_definition_name
        workflow = FlowDefinitionHook(A2IHook(self.a2i_conn_id, self.region_name))
        flow = workflow.service.describe_flow(name)
        if flow is None:
            return {"flow_definition": name, "removed": False}
        open_loops = workflow.open_loops(flow["FlowDefinitionArn"])
        if open_loops and self.force is not True:
            raise ReviewSetupError(
                f"{open_loops} human loops are open on the flow definition {name} in "
                f"{workflow.service.place}: wait for the reviewers, or set force to remove it and lose "
                "those that no reviewer has begun."
            )
        workflow.remove(flow)
        self.log.info("Removed the flow definition %s; %d human loops were open.", name, open_loops)
        return {"flow_definition": name, "removed": True}
