"""Unmodified boto3 understands the answers, and the server understands boto3."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::111122223333:role/second-look"


def _error(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_json_operation_reaches_its_handler_with_the_callers_identity(server):
    answer = server.client("sagemaker").create_model(
        ModelName="m-1", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "x/y:1", "Environment": {"A": "b"}}
    )
    assert answer["ModelArn"] == "arn:aws:sagemaker:us-east-1:111122223333:model/m-1"
    (call,) = server.recorder.calls
    assert (call.service, call.operation, call.access_key_id) == (
        "sagemaker",
        "CreateModel",
        "AKIDPROTOCOLTEST",
    )
    assert call.params["PrimaryContainer"] == {"Image": "x/y:1", "Environment": {"A": "b"}}
    assert server.recorder.statuses == [("CreateModel", 200)]


def test_timestamps_take_the_form_of_each_service(server):
    moment = datetime(2026, 1, 31, 12, 30, 15, 250_000, tzinfo=UTC)
    a2i = server.client("sagemaker-a2i-runtime")
    assert a2i.describe_human_loop(HumanLoopName="loop-1")["CreationTime"] == moment
    assert server.client("sagemaker").describe_model(ModelName="m")["CreationTime"] == moment
    a2i.list_human_loops(FlowDefinitionArn="arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
                         CreationTimeAfter=moment, MaxResults=5)  # fmt: skip
    server.client("sagemaker").list_models(CreationTimeAfter=moment)
    assert [call.params.get("CreationTimeAfter") for call in server.recorder.calls[-2:]] == [moment, moment]
    assert server.recorder.calls[-2].params["MaxResults"] == 5


def test_only_modelled_members_are_answered(server):
    answer = server.client("sagemaker-a2i-runtime").describe_human_loop(HumanLoopName="loop-1")
    assert answer.keys() == {"HumanLoopName", "CreationTime", "HumanLoopStatus", "ResponseMetadata"}


def test_a_literal_path_wins_over_a_name_in_the_path(server):
    server.client("sagemaker-a2i-runtime").stop_human_loop(HumanLoopName="loop-1")
    server.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName="loop-2",
        FlowDefinitionArn="arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
        HumanLoopInput={"InputContent": '{"a": "é"}'},
    )
    stop, start = server.recorder.calls
    assert (stop.operation, stop.params) == ("StopHumanLoop", {"HumanLoopName": "loop-1"})
    assert start.params["HumanLoopInput"] == {"InputContent": '{"a": "é"}'}


def test_invoke_endpoint_carries_raw_bytes_and_headers(server):
    body = bytes(range(256)) * 100
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="e",
        Body=body,
        ContentType="image/jpeg",
        Accept="application/json",
        CustomAttributes="k=v",
    )
    assert answer["Body"].read() == body[::-1]
    assert (answer["ContentType"], answer["CustomAttributes"]) == ("image/x-test", "k=v")
    (call,) = server.recorder.calls
    assert (call.params["ContentType"], call.params["Accept"]) == ("image/jpeg", "application/json")


def test_a_header_from_a_model_cannot_split_the_answer(server):
    answer = server.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"x")
    assert answer["CustomAttributes"] == "one line"


def test_modelled_errors_carry_their_members_and_status(server):
    runtime = server.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName="e", Body=b"fail")
    assert _error(caught) == ("ModelError", "Received 400", 424)
    assert caught.value.response["OriginalStatusCode"] == 400
    assert caught.value.response["OriginalMessage"] == "no image"
    a2i = server.client("sagemaker-a2i-runtime")
    with pytest.raises(a2i.exceptions.ResourceNotFoundException) as missing:
        a2i.describe_human_loop(HumanLoopName="missing")
    assert _error(missing) == ("ResourceNotFoundException", "No human loop is named missing.", 404)


def test_a_body_beyond_six_mebibytes_is_a_413(server):
    runtime = server.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName="e", Body=b"x" * 6_291_456)
    with pytest.raises(ClientError) as caught:
        runtime.invoke_endpoint(EndpointName="e", Body=b"x" * 6_291_457)
    code, message, status = _error(caught)
    assert (code, status) == ("ValidationError", 413)
    assert "'6291457 bytes' at 'body'" in message
    assert "less than or equal to 6291456" in message


def test_an_operation_without_handler_is_a_501_that_names_it(server):
    with pytest.raises(ClientError) as caught:
        server.client("sagemaker").create_domain(
            DomainName="d", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": ROLE}
        )
    code, message, status = _error(caught)
    assert (code, status) == ("NotImplementedException", 501)
    assert "CreateDomain" in message


@pytest.mark.parametrize("service", ["events", "dynamodb"])
def test_a_service_that_is_not_served_is_a_501_too(server, service):
    client = server.client(service)
    client.meta.events.register("choose-signer", lambda **_: "v4")
    with pytest.raises(ClientError) as caught:
        client.list_tables() if service == "dynamodb" else client.list_rules()
    code, message, status = _error(caught)
    assert (code, status) == ("UnknownOperationException", 501)
    assert "List" in message


def test_a_fault_in_a_handler_is_a_500_with_an_incident_and_no_detail(server, caplog):
    with pytest.raises(ClientError) as caught:
        server.client("sagemaker").create_model(ModelName="breaks", ExecutionRoleArn=ROLE)
    code, message, status = _error(caught)
    assert (code, status) == ("InternalFailure", 500)
    assert "a fault in the handler" not in message
    incident = message.rsplit(" ", 1)[-1].rstrip(".")
    assert any(incident in record.getMessage() for record in caplog.records)


def test_wrong_secret_unknown_key_and_wrong_region_are_403(server):
    refused = [
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"key": "AKIDOTHER"}, "UnrecognizedClientException"),
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
    ]
    for difference, code in refused:
        for call in (
            lambda d=difference: server.client("sagemaker", **d).describe_model(ModelName="m"),
            lambda d=difference: server.client("sagemaker-runtime", **d).invoke_endpoint(
                EndpointName="e", Body=b"x"
            ),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert (_error(caught)[0], _error(caught)[2]) == (code, 403)
    assert server.recorder.calls == []
    assert server.recorder.statuses == []


def test_an_unsigned_request_is_refused(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server.url}/human-loops/loop-1", timeout=10)
    assert caught.value.code == 403
    assert json.load(caught.value)["__type"] == "MissingAuthenticationTokenException"


def test_names_with_odd_characters_are_signed_and_read_alike(server):
    a2i = server.client("sagemaker-a2i-runtime")
    with pytest.raises(ClientError) as caught:
        a2i.describe_human_loop(HumanLoopName="odd name+é/%2F")
    code, message, status = _error(caught)
    assert (code, status) == ("ValidationException", 400)  # not a signature that does not match
    assert "'odd name+é/%2F' at 'humanLoopName'" in message


class TestConstraints:
    """The constraints of the service model, in AWS's wording."""

    def _message(self, call) -> str:
        with pytest.raises(ClientError) as caught:
            call()
        code, message, status = _error(caught)
        assert (code, status) == ("ValidationException", 400)
        return message

    def test_pattern(self, server):
        message = self._message(
            lambda: server.client("sagemaker").create_model(ModelName="a_b", ExecutionRoleArn=ROLE)
        )
        assert message == (
            "1 validation error detected: Value 'a_b' at 'modelName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?"
        )

    def test_missing_too_long_and_unknown_members_are_all_named(self, server):
        client = server.client("sagemaker")
        message = self._message(lambda: client.create_model(ExecutionRoleArn="x"))
        assert message.startswith("2 validation errors detected: Value null at 'modelName'")
        assert "Value 'x' at 'executionRoleArn'" in message
        assert "length greater than or equal to 20" in message
        message = self._message(lambda: client.create_model(ModelName="a" * 64))
        assert "Member must have length less than or equal to 63" in message

    def test_enum_and_numbers_deep_inside(self, server):
        message = self._message(
            lambda: server.client("sagemaker").create_training_job(
                TrainingJobName="j",
                AlgorithmSpecification={"TrainingInputMode": "Rope"},
                RoleArn=ROLE,
                OutputDataConfig={"S3OutputPath": "s3://b"},
                ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": -1, "VolumeSizeInGB": 1},
                StoppingCondition={"MaxRuntimeInSeconds": 0},
                InputDataConfig=[{"ChannelName": "a/b", "DataSource": {}}],
            )
        )
        assert "Member must satisfy enum value set: [Pipe, File, FastFile]" in message
        assert "Value '-1' at 'resourceConfig.instanceCount'" in message
        assert "Value '0' at 'stoppingCondition.maxRuntimeInSeconds'" in message
        assert "Value 'a/b' at 'inputDataConfig.1.member.channelName'" in message
        assert message.startswith("4 validation errors detected: ")

    def test_wrong_types(self, server):
        message = self._message(
            lambda: server.client("sagemaker").create_model(ModelName=5, ExecutionRoleArn=ROLE)
        )
        assert "Value '5' at 'modelName' failed to satisfy constraint: Member must be a string" in message
