"""Human loops and flow definitions through the Amazon A2I API, as plain values and one-sentence errors.

The same calls reach Amazon A2I or a Review Desk; the Airflow connection decides which.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from secondlook.failures.aws import error_code, is_not_found
from secondlook.failures.causes import Cause
from secondlook.failures.exceptions import HumanReviewError, ReviewSetupError
from secondlook.failures.explain import Place, explain, fault_of
from secondlook.hooks.clients import A2IRuntimeHook, SageMakerClientHook
from secondlook.review.flow_definition import ActiveFlow
from secondlook.review.human_loops import DELETED, HumanLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from secondlook.review.human_loops import LoopBoard

# How the service says that it has checked a call and done nothing.
_INVALID = "ValidationException"


class InvalidLoopError(ReviewSetupError):
    """The service refused a human loop as invalid, so it surely never started."""


class A2IHook:
    """Human loops of Amazon A2I, or of a Review Desk, behind one Airflow connection.

    Every method raises HumanReviewError, which passes, or ReviewSetupError, which does not, in one sentence.

    Example:

        a2i = A2IHook("a2i_default")
        a2i.start(a2i.flow("cells").arn, "image-1", json.dumps({"taskObject": "s3://cells/1.jpg"}))
        loop = a2i.describe("image-1")

    :param a2i_conn_id: Airflow connection; its ``service_config`` may point at a Review Desk.
    :param region_name: AWS Region; the connection's when None.
    """

    def __init__(self, a2i_conn_id: str, region_name: str | None = None) -> None:
        self.a2i_conn_id = a2i_conn_id
        self.region_name = region_name

    @cached_property
    def runtime(self) -> Any:
        """The boto3 client for human loops."""
        return self._client(A2IRuntimeHook)

    @cached_property
    def control(self) -> Any:
        """The boto3 client for flow definitions, worker templates and work teams."""
        return self._client(SageMakerClientHook)

    def flow_arn(self, name: str) -> str:
        """Return the ARN of an active flow definition. Raises like :meth:`flow`."""
        return self.flow(name).arn

    def flow(self, name: str) -> ActiveFlow:
        """Return an active flow definition.

        :raises ReviewSetupError: There is none of that name here, or it failed or is being deleted.
        :raises HumanReviewError: It is not ready yet, or the service cannot be reached.
        """
        flow = self.describe_flow(name)
        if flow is None:
            raise ReviewSetupError(
                f"The flow definition {name} does not exist in {self.place}: run the DAG review_workflow to "
                "create it, or correct the setting flow_definition or the connection's region."
            )
        status = flow["FlowDefinitionStatus"]
        if status == "Active":
            count = flow.get("HumanLoopConfig", {}).get("TaskCount", 1)
            output = flow.get("OutputConfig", {}).get("S3OutputPath", "")
            return ActiveFlow(str(flow["FlowDefinitionArn"]), int(count), str(output))
        if status == "Initializing":
            raise HumanReviewError(
                f"The flow definition {name} in {self.place} is not active yet: try again."
            )
        reason = flow.get("FailureReason") or "no reason given"
        raise ReviewSetupError(
            f"The flow definition {name} in {self.place} is {status} ({reason}): "
            "remove it and create it again with the DAG review_workflow."
        )

    def describe_flow(self, name: str) -> dict[str, Any] | None:
        """Return the answer of DescribeFlowDefinition, or None when there is no such flow definition."""
        with self.asking(f"describe the flow definition {name}"):
            try:
                return dict(self.control.describe_flow_definition(FlowDefinitionName=name))
            except ClientError as error:
                if not is_not_found(error):
                    raise
        return None

    def describe(self, name: str) -> HumanLoop | None:
        """Return a human loop, or None when there is none of that name (any more)."""
        with self.asking(f"describe the human loop {name}"):
            try:
                loop = self.runtime.describe_human_loop(HumanLoopName=name)
            except ClientError as error:
                if is_not_found(error):
                    return None
                raise
        return HumanLoop(
            name=name,
            status=loop["HumanLoopStatus"],
            failure_code=loop.get("FailureCode"),
            failure_reason=loop.get("FailureReason"),
            output_uri=loop.get("HumanLoopOutput", {}).get("OutputS3Uri"),
        )

    def start(self, flow_arn: str, name: str, input_content: str) -> bool:
        """Start a human loop; return False when one of that name exists already with another input.

        Starting it again with the very same input while it is open is no fault and makes no second loop.

        :raises InvalidLoopError: The service checked the loop and refused it.
        """
        loop_input = {"InputContent": input_content}
        doing = f"start the human loop {name}"
        with self.asking(doing):
            try:
                self.runtime.start_human_loop(
                    HumanLoopName=name, FlowDefinitionArn=flow_arn, HumanLoopInput=loop_input
                )
            except ClientError as error:
                if error_code(error) == _INVALID:
                    refused = explain(error, doing, self._place)
                    raise InvalidLoopError(refused) from error
                if error_code(error) != "ConflictException":
                    raise
                return False
        return True

    def stop(self, name: str) -> None:
        """Stop a human loop, so that no one is offered its task; it is no fault when it has ended or is gone.

        :param name: the human loop.
        """
        with self.asking(f"stop the human loop {name}"):
            try:
                self.runtime.stop_human_loop(HumanLoopName=name)
            except ClientError as error:
                if not is_not_found(error) and error_code(error) != _INVALID:
                    raise

    def delete(self, name: str) -> None:
        """Delete a human loop that has ended; it is no fault when there is none.

        :param name: the human loop.
        """
        with self.asking(f"delete the human loop {name}"):
            try:
                self.runtime.delete_human_loop(HumanLoopName=name)
            except ClientError as error:
                if not is_not_found(error):
                    raise

    def sweep(self, flow_arn: str, created_after: datetime | None = None) -> Iterator[tuple[str, str]]:
        """Yield name and status of every loop of a flow from one paged listing."""
        request: dict[str, Any] = {"FlowDefinitionArn": flow_arn, "PaginationConfig": {"PageSize": 100}}
        if created_after is not None:
            request["CreationTimeAfter"] = created_after
        with self.asking(f"list the human loops of {flow_arn}"):
            for page in self.runtime.get_paginator("list_human_loops").paginate(**request):
                for loop in page["HumanLoopSummaries"]:
                    yield loop["HumanLoopName"], loop["HumanLoopStatus"]

    def survey(self, board: LoopBoard, flow_arn: str, created_after: datetime | None = None) -> None:
        """Find out where the loops of a board are: one listing, and a look at each that it leaves out.

        :param board: gets the status of its loops.
        :param flow_arn: the flow definition that they run on.
        :param created_after: loops created before it are not listed; None lists all of the flow definition.
        """
        listed: set[str] = set()
        for name, status in self.sweep(flow_arn, created_after):
            listed.add(name)
            board.note(name, status)
        for name in board.unlisted(listed):
            found = self.describe(name)
            board.note(name, found.status if found else DELETED)

    @property
    def place(self) -> str:
        """Region, address and connection, for messages."""
        meta = self.control.meta
        return f"region {meta.region_name} at {meta.endpoint_url} (connection {self.a2i_conn_id})"

    @property
    def _place(self) -> Place:
        meta = self.control.meta
        desk = f"run the Review Desk and let the connection {self.a2i_conn_id} point at it"
        advice = {
            Cause.QUOTA: "the quota of human loops is reached: let open reviews finish or ask for a higher "
            "quota, then clear the task, which goes on where it stopped",
            Cause.CLOSED: f"Amazon A2I does not serve this account and takes no new customers, so {desk}",
            Cause.DENIED: f"give the connection's user this permission (or {desk}, if the account has no "
            "Amazon A2I), then clear the task",
        }
        return Place(f"region {meta.region_name} at {meta.endpoint_url}", self.a2i_conn_id, advice)

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Turn an AWS error inside the block into one sentence: ``doing``, where, why and what to do."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise _failed(error, doing, self._place) from error

    def _client(self, hook: type[A2IRuntimeHook] | type[SageMakerClientHook]) -> Any:
        try:
            return hook(self.a2i_conn_id, self.region_name).client
        except NoRegionError:
            raise ReviewSetupError(
                f"The connection {self.a2i_conn_id} names no region: add region_name to its extra, "
                "or set the setting region."
            ) from None


def _failed(error: BotoCoreError | ClientError, doing: str, place: Place) -> HumanReviewError:
    """Return the one-sentence error for a failed call of the human review service."""
    kind = HumanReviewError if fault_of(error).passing else ReviewSetupError
    return kind(explain(error, doing, place))
