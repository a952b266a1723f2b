"""Worker templates, work teams and flow definitions: the lasting parts of human review.

Source of limits and behaviour: SageMaker API Reference (CreateHumanTaskUi, CreateFlowDefinition) and the
Amazon Augmented AI chapter of the SageMaker Developer Guide.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError, WaiterError
from botocore.waiter import create_waiter_with_client

from secondlook.failures.aws import error_code, is_already_there, is_not_found
from secondlook.failures.exceptions import HumanReviewError, ReviewSetupError
from secondlook.hooks.flow_waiters import FLOW_WAITERS
from secondlook.layout import own_name
from secondlook.names import MANAGED_BY, human_task_ui_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondlook.hooks.a2i import A2IHook
    from secondlook.review.flow_definition import FlowDefinition

# What a Review Desk says of a template that renders but whose answers its page would refuse.
REFUSAL_CODE = "AnswersWouldBeRefused"


class FlowDefinitionHook:
    """The lasting parts of human review through one connection: creates, checks and removes them.

    Example:

        flows = FlowDefinitionHook(A2IHook("a2i_default"))
        arn = flows.ensure_flow(FlowDefinition(name="cells", ...))

    :param service: the human review service.
    """

    def __init__(self, service: A2IHook) -> None:
        self.service = service

    def workteam(self, name: str) -> tuple[str, str | None]:
        """Return a work team's ARN and its portal's address.

        :raises ReviewSetupError: There is no such team in this region; creating one (and inviting people) is
            a person's decision.
        """
        with self.service.asking(f"describe the work team {name}"):
            try:
                team = self.service.control.describe_workteam(WorkteamName=name)["Workteam"]
            except ClientError as error:
                # The API model declares no error for this call; SageMaker answers ValidationException.
                if not (is_not_found(error) or error_code(error) == "ValidationException"):
                    raise
                raise ReviewSetupError(
                    f"The work team {name} was not found in {self.service.place}: create it and invite its "
                    "members (on AWS in the SageMaker console under Ground Truth, Labeling workforces; "
                    f"on the Review Desk with `python -m include.review_desk add-worker --team {name}`), "
                    "or correct the setting workteam_name."
                ) from error
        sub_domain = team.get("SubDomain")
        # Only the host is told; a Review Desk may answer without TLS, to reviewers as to us.
        scheme = urlsplit(self.service.control.meta.endpoint_url).scheme
        return team["WorkteamArn"], f"{scheme}://{sub_domain}" if sub_domain else None

    def preflight(self, template: str, task_input: str, role_arn: str) -> list[str]:
        """Let the service render the template with an example, because StartHumanLoop would not check it.

        Returns sentences about what would keep reviewers from submitting; Amazon A2I gives none.

        :raises ReviewSetupError: With the service's own messages, when the template does not render.
        """
        with self.service.asking("render the worker template"):
            answer = self.service.control.render_ui_template(
                UiTemplate={"Content": template}, Task={"Input": task_input}, RoleArn=role_arn
            )
        faults = [error for error in answer["Errors"] if error["Code"] != REFUSAL_CODE]
        if faults:
            said = "; ".join(f"{error['Code']}: {error['Message']}" for error in faults)
            raise ReviewSetupError(
                f"The worker template does not render ({said}): correct the template, then clear this task."
            )
        return [error["Message"] for error in answer["Errors"]]

    def ensure_human_task_ui(self, name: str, template: str) -> str:
        """Return the ARN of the worker template of this name, created unless it exists with this content.

        :raises ReviewSetupError: The name is taken by another content; worker templates cannot be changed.
        """
        existing = self._describe_ui(name)
        if existing is None:
            with self.service.asking(f"create the worker template {name}"):
                try:
                    created = self.service.control.create_human_task_ui(
                        HumanTaskUiName=name, UiTemplate={"Content": template}, Tags=[MANAGED_BY]
                    )
                    return str(created["HumanTaskUiArn"])
                except ClientError as error:
                    if not is_already_there(error):
                        raise
            # Another run was faster by a moment; what it made is compared like any other.
            existing = self._describe_ui(name) or {}
        sha256 = hashlib.sha256(template.encode()).hexdigest()
        if str(existing.get("UiTemplate", {}).get("ContentSha256", "")).lower() != sha256:
            raise ReviewSetupError(
                f"The worker template {name} in {self.service.place} has another content than the file, so "
                "another deployment made it: delete it, or set another name in the setting flow_definition."
            )
        return str(existing["HumanTaskUiArn"])

    def ensure_flow(self, wanted: FlowDefinition) -> str:
        """Return the ARN of the active flow definition, created unless it exists just so.

        :raises ReviewSetupError: One of this name exists with another configuration, or the service could not
            make it active.
        """
        existing = self.service.describe_flow(wanted.name)
        if existing is None or existing["FlowDefinitionStatus"] == "Deleting":
            existing = self._create_flow(wanted, deleting=existing is not None)
        differences = wanted.differences(existing)
        if differences:
            raise ReviewSetupError(
                f"The flow definition {wanted.name} in {self.service.place} exists with another "
                f"configuration ({'; '.join(differences)}) and flow definitions cannot be changed: set "
                "another name in the setting flow_definition, or remove it with the DAG review_workflow."
            )
        return self._wait_active(wanted.name)

    def open_loops(self, flow_arn: str) -> int:
        """Count the human loops of a flow definition that have not ended."""
        return sum(status in ("InProgress", "Stopping") for _, status in self.service.sweep(flow_arn))

    def remove(self, flow: Mapping[str, Any]) -> None:
        """Delete a flow definition, as DescribeFlowDefinition returns it, and its worker template."""
        name = flow["FlowDefinitionName"]
        self.delete_flow(name)
        ui_name = own_name(flow["HumanLoopConfig"]["HumanTaskUiArn"])
        if ui_name.startswith(f"{human_task_ui_prefix(name)}-"):
            self.delete_human_task_ui(ui_name)

    def delete_flow(self, name: str) -> None:
        """Delete a flow definition; it is no fault when it is gone or being deleted already.

        It stays in the state Deleting while people finish what they have begun.
        """
        with self.service.asking(f"delete the flow definition {name}"):
            try:
                self.service.control.delete_flow_definition(FlowDefinitionName=name)
            except ClientError as error:
                if not (is_not_found(error) or is_already_there(error)):
                    raise

    def delete_human_task_ui(self, name: str) -> None:
        """Delete a worker template; it is no fault when there is none."""
        with self.service.asking(f"delete the worker template {name}"):
            try:
                self.service.control.delete_human_task_ui(HumanTaskUiName=name)
            except ClientError as error:
                if not is_not_found(error):
                    raise

    def _describe_ui(self, name: str) -> dict[str, Any] | None:
        with self.service.asking(f"describe the worker template {name}"):
            try:
                return dict(self.service.control.describe_human_task_ui(HumanTaskUiName=name))
            except ClientError as error:
                if not is_not_found(error):
                    raise
        return None

    def _create_flow(self, wanted: FlowDefinition, *, deleting: bool) -> dict[str, Any]:
        if deleting:
            self._wait_deleted(wanted.name)
        with self.service.asking(f"create the flow definition {wanted.name}"):
            try:
                self.service.control.create_flow_definition(**wanted.request())
            except ClientError as error:
                if not is_already_there(error):
                    raise
        return self.service.describe_flow(wanted.name) or {}

    def _wait_active(self, name: str) -> str:
        with self.service.asking(f"wait for the flow definition {name}"):
            try:
                self._waiter("FlowDefinitionActive").wait(FlowDefinitionName=name)
            except WaiterError as error:
                # Failed carries a reason and gets the sentence of flow_arn; the rest is told as it is.
                if (error.last_response or {}).get("FlowDefinitionStatus") != "Failed":
                    raise
        return self.service.flow_arn(name)

    def _wait_deleted(self, name: str) -> None:
        try:
            self._waiter("FlowDefinitionDeleted").wait(FlowDefinitionName=name)
        except WaiterError as error:
            raise HumanReviewError(
                f"The flow definition {name} in {self.service.place} is still being deleted ({error}): "
                "run the task again later."
            ) from error

    def _waiter(self, name: str) -> Any:
        return create_waiter_with_client(name, FLOW_WAITERS, self.service.control)
