"""A human review service that refuses: a server that speaks Amazon A2I's API and says no in its words."""

from __future__ import annotations

import datetime
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from airflow.sdk import RetryAction
from botocore.config import Config

from include.aws_protocol import AwsApplication, ServiceError
from secondlook.failures.exceptions import HumanReviewError, ReviewSetupError
from secondlook.hooks.a2i import A2IHook
from secondlook.triggers.human_loops import HumanLoopsTrigger
from secondlook.triggers.polling import FAILED, OVER
from tests.support.review_project import NIGHT
from tests.support.servers import free_port

CREATED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FLOW_ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/"
RUNTIME = "sagemaker-a2i-runtime"


class RefusingService:
    """Describes any flow definition, knows no loop, and answers StartHumanLoop as told."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self.refusals: list[ServiceError] = []
        self.flow_status = "Active"
        self.started: list[str] = []
        self.listings: list[ServiceError | dict[str, str]] = []
        self.application = AwsApplication(
            handlers={
                ("sagemaker", "DescribeFlowDefinition"): self._describe_flow,
                (RUNTIME, "DescribeHumanLoop"): self._describe,
                (RUNTIME, "StartHumanLoop"): self._start,
                (RUNTIME, "ListHumanLoops"): self._list,
            },
            credentials=credentials,
            region="us-east-1",
            account_id="111122223333",
        )

    def _describe_flow(self, call):
        name = call.params["FlowDefinitionName"]
        return {
            "FlowDefinitionArn": FLOW_ARN + name,
            "FlowDefinitionName": name,
            "FlowDefinitionStatus": self.flow_status,
            "FailureReason": "the role may not be assumed" if self.flow_status == "Failed" else "",
            "CreationTime": CREATED,
            "OutputConfig": {"S3OutputPath": "s3://some-bucket/out"},
            "RoleArn": "arn:aws:iam::111122223333:role/second-look",
        }

    def _describe(self, call):
        raise ServiceError("ResourceNotFoundException", "There is no such human loop.")

    def _list(self, call):
        # The last listing stays, as a service that has calmed down would answer.
        listing = self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]
        if isinstance(listing, ServiceError):
            raise listing
        flow_arn = call.params["FlowDefinitionArn"]
        return {
            "HumanLoopSummaries": [
                {
                    "HumanLoopName": name,
                    "HumanLoopStatus": status,
                    "CreationTime": CREATED,
                    "FlowDefinitionArn": flow_arn,
                }
                for name, status in listing.items()
            ]
        }

    def _start(self, call):
        if self.refusals:
            raise self.refusals.pop(0)
        self.started.append(call.params["HumanLoopName"])
        return {"HumanLoopArn": f"arn:aws:sagemaker:us-east-1:111122223333:human-loop/{self.started[-1]}"}


@pytest.fixture
def service(aws_credentials, connections: Callable[..., None]) -> Iterator[RefusingService]:
    service = RefusingService({aws_credentials.access_key_id: aws_credentials.secret_access_key})
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(service.application, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    connections(a2i=f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield service
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def scored(service, project):
    project.score([project.prediction(name, 0.5) for name in ("a", "b", "c")])
    return project


def test_throttling_is_waited_out(service, scored, context):
    service.refusals = [ServiceError("ThrottlingException", "Rate exceeded.")] * 2
    assert scored.launch().execute(context)["started"] == 3


def test_a_loop_that_somebody_else_started_differently_is_adopted(service, scored, context, capsys):
    service.refusals = [ServiceError("ConflictException", "Same name, different input data.")]
    result = scored.launch().execute(context)
    assert (result["started"], result["adopted"]) == (2, 1)
    assert "exists with another input; it is adopted as it is" in capsys.readouterr().out


def test_a_full_quota_keeps_what_was_started_and_goes_on_later(service, scored, context):
    operator = scored.launch()
    service.refusals = [ServiceError("ServiceQuotaExceededException", "You have reached the limit of 5000.")]
    with pytest.raises(HumanReviewError, match=r"limit of 5000.* quota of human loops is reached") as refused:
        operator.execute(context)
    assert not isinstance(refused.value, ReviewSetupError)
    assert scored.launch().execute(context)["started"] == 3


def test_an_account_without_amazon_a2i_is_told_about_the_review_desk(service, scored, context):
    service.refusals = [
        ServiceError("ValidationException", "Amazon A2I no longer accepts new customers.", 400)
    ]
    with pytest.raises(ReviewSetupError, match=r"takes no new customers, so run the Review Desk"):
        scored.launch().execute(context)


def test_missing_rights_are_told_in_the_services_words(service, scored, context):
    service.refusals = [
        ServiceError("AccessDeniedException", "not authorized to perform: sagemaker:StartHumanLoop", 403)
    ]
    with pytest.raises(ReviewSetupError, match=r"\(AccessDeniedException: not authorized"):
        scored.launch().execute(context)


@pytest.mark.parametrize(
    ("refusal", "action", "advice"),
    [
        (
            ServiceError("ValidationException", "Only existing A2I customers may call this.", 400),
            RetryAction.FAIL,
            "run the Review Desk and let the connection a2i_default point at it",
        ),
        (
            ServiceError("AccessDeniedException", "not authorized to perform: sagemaker:StartHumanLoop", 403),
            RetryAction.FAIL,
            "give the connection's user this permission (or run the Review Desk and let the connection",
        ),
        (
            ServiceError("ServiceQuotaExceededException", "You have reached the limit of 5000.", 402),
            RetryAction.RETRY,
            "let open reviews finish",
        ),
    ],
    ids=["closed", "denied", "quota"],
)
def test_only_what_may_pass_is_tried_again(service, scored, context, refusal, action, advice):
    service.refusals = [refusal]
    operator = scored.launch(retries=3)
    with pytest.raises(HumanReviewError) as refused:
        operator.execute(context)
    decision = operator.retry_policy.evaluate(refused.value, 1, 3, {"task": operator})
    assert decision.action is action
    assert advice in decision.reason
    assert service.started == []


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        ("Initializing", HumanReviewError, "is not active yet"),
        ("Failed", ReviewSetupError, r"is Failed \(the role may not be assumed\)"),
    ],
)
def test_a_flow_definition_that_is_not_active(service, scored, context, status, error, sentence):
    service.flow_status = status
    with pytest.raises(error, match=sentence):
        scored.launch().execute(context)


@pytest.mark.usefixtures("network")
def test_a_service_that_cannot_be_reached(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_NOWHERE",
        json.dumps(
            {
                "conn_type": "aws",
                "login": "key",
                "password": "secret",
                "extra": {"region_name": "us-east-1", "endpoint_url": f"http://127.0.0.1:{free_port()}"},
            }
        ),
    )
    with pytest.raises(HumanReviewError) as refused:
        A2IHook("nowhere", None).describe("x")
    assert not isinstance(refused.value, ReviewSetupError)
    assert "in region us-east-1 at http://127.0.0.1" in str(refused.value)
    assert "for now (EndpointConnectionError: Could not connect" in str(refused.value)


def test_a_connection_without_a_region(scored, monkeypatch, context):
    monkeypatch.setenv(
        "AIRFLOW_CONN_A2I_DEFAULT", '{"conn_type": "aws", "login": "key", "password": "secret"}'
    )
    with pytest.raises(ReviewSetupError, match="connection a2i_default names no region"):
        scored.launch().execute(context)


def waiting(project):
    return HumanLoopsTrigger(
        bucket=project.bucket,
        prefix=project.prefix,
        night=NIGHT,
        deadline=time.time() + 60,
        flow_definition_arn=FLOW_ARN + project.flow,
        poll_interval_seconds=0.05,
    )


async def test_waiting_outlives_a_service_in_trouble(service, scored, context, monkeypatch):
    scored.launch().execute(context)
    # One attempt a call, or botocore itself would wait most of it out.
    monkeypatch.setattr("secondlook.hooks.clients.CLIENT_CONFIG", Config(retries={"total_max_attempts": 1}))
    service.listings = [
        ServiceError("InternalServerException", "We had a problem.", 500),
        ServiceError("ThrottlingException", "Rate exceeded.", 429),
        dict.fromkeys(service.started, "InProgress"),
        ServiceError("ServiceUnavailable", "Come back later.", 503),
        dict.fromkeys(service.started, "Completed"),
    ]
    events = [event.payload async for event in waiting(scored).run()]
    assert [event["status"] for event in events] == [OVER]


async def test_a_status_of_tomorrow_is_waited_for_with_a_warning(service, scored, context, capsys):
    scored.launch().execute(context)
    service.listings = [
        dict.fromkeys(service.started, "Paused"),
        dict.fromkeys(service.started, "Stopped"),
    ]
    events = [event.payload async for event in waiting(scored).run()]
    assert [event["status"] for event in events] == [OVER]
    assert capsys.readouterr().out.count("unknown status 'Paused'") == 1


async def test_a_refusal_that_stays_ends_the_wait(service, scored, context):
    scored.launch().execute(context)
    service.listings = [ServiceError("AccessDeniedException", "not authorized to list", 403)]
    (event,) = [event.payload async for event in waiting(scored).run()]
    assert (event["status"], event["passing"]) == (FAILED, False)
    with pytest.raises(ReviewSetupError, match=r"AccessDeniedException: not authorized to list"):
        scored.await_reviews().execute_complete(context, event)
