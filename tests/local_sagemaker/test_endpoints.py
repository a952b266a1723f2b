"""Endpoints: in service, updated without a gap, rolled back, deleted."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:sagemaker:us-east-1:111122223333"


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def settled(sagemaker, wait_until):
    """``settled(name)`` waits until nothing is in progress and returns the endpoint's description."""

    def wait(name, client=sagemaker):
        def description():
            endpoint = client.describe_endpoint(EndpointName=name)
            return endpoint if endpoint["EndpointStatus"] in ("InService", "Failed") else None

        return wait_until(description, 60)

    return wait


@pytest.fixture
def in_service(sagemaker, make_config, settled, name):
    """The name of an endpoint in service with a configuration of the same name."""
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=make_config(name))
    endpoint = settled(name)
    assert endpoint["EndpointStatus"] == "InService", endpoint
    yield name
    sagemaker.delete_endpoint(EndpointName=name)


def test_an_endpoint_answers_with_its_model(sagemaker, runtime, in_service, make_config):
    endpoint = sagemaker.describe_endpoint(EndpointName=in_service)
    (variant,) = endpoint["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("AllTraffic", 1)
    body = bytes(range(256))
    answer = runtime.invoke_endpoint(
        EndpointName=in_service,
        Body=body,
        ContentType="image/jpeg",
        Accept="application/json;annotation=1",
        CustomAttributes="night=1",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (answer["ContentType"], answer["CustomAttributes"]) == ("application/json", "night=1")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    said = json.loads(answer["Body"].read())
    assert said["bytes"] == 256
    assert said["content_type"] == "image/jpeg"
    assert said["accept"] == "application/json;annotation=1"
    assert said["model"] == ["weights.bin"]
    assert said["name"] == in_service


def test_what_the_model_refuses_is_a_model_error(runtime, in_service):
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName=in_service, Body=b"status 415 ")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (415, "as asked")
    assert 'Received client error (415) from primary with message "as asked"' in response["Error"]["Message"]


def test_requests_that_cannot_be_served(runtime, in_service):
    assert error_of(runtime.invoke_endpoint, EndpointName="nobody", Body=b"x") == (
        "ValidationError",
        "Endpoint nobody of account 111122223333 not found.",
    )
    code, _ = error_of(runtime.invoke_endpoint, EndpointName=in_service, Body=b"x" * 6_291_457)
    assert code == "ValidationError"
    code, message = error_of(
        runtime.invoke_endpoint, EndpointName=in_service, Body=b"x", TargetVariant="other"
    )
    assert (code, message) == ("ValidationError", f"Variant other not found in endpoint {in_service}.")


def test_no_request_fails_while_the_endpoint_is_updated(
    sagemaker, runtime, in_service, make_config, settled, name
):
    """Four clients call in a loop through two updates; every call is answered, by each version in turn."""
    enough = threading.Event()
    versions: list[str] = []

    def call_in_a_loop():
        while not enough.is_set():
            answer = runtime.invoke_endpoint(EndpointName=in_service, Body=b"x" * 1000)
            versions.append(json.loads(answer["Body"].read())["name"])

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(call_in_a_loop) for _ in range(4)]
        try:
            for version in ("v2", "v3"):
                config = make_config(f"{name}-{version}", STUB_DELAY_SECONDS="0.05")
                sagemaker.update_endpoint(
                    EndpointName=in_service,
                    EndpointConfigName=config,
                    RetainAllVariantProperties=True,
                    DeploymentConfig={
                        "BlueGreenUpdatePolicy": {
                            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
                        }
                    },
                )
                pending = sagemaker.describe_endpoint(EndpointName=in_service)
                if pending["EndpointStatus"] == "Updating":
                    assert pending["PendingDeploymentSummary"]["EndpointConfigName"] == config
                endpoint = settled(in_service)
                assert endpoint["EndpointConfigName"] == config
                assert "FailureReason" not in endpoint
                assert endpoint["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
                seen = len(versions)
                while len(versions) < seen + 8:
                    assert not any(client.done() for client in clients)
                    enough.wait(0.02)
        finally:
            enough.set()
        for client in clients:
            client.result()  # raises what the client saw
    assert set(versions) == {in_service, f"{name}-v2", f"{name}-v3"}
    assert set(versions[-4:]) == {f"{name}-v3"}


def test_an_update_that_does_not_come_up_is_rolled_back(
    sagemaker, runtime, in_service, make_config, settled, name
):
    bad = make_config(f"{name}-bad", STUB_EXIT="7")
    sagemaker.update_endpoint(EndpointName=in_service, EndpointConfigName=bad)
    endpoint = settled(in_service)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == in_service
    assert "production variant AllTraffic did not pass the ping health check" in endpoint["FailureReason"]
    assert "exit code 7" in endpoint["FailureReason"]
    assert "PendingDeploymentSummary" not in endpoint
    answer = runtime.invoke_endpoint(EndpointName=in_service, Body=b"x")
    assert json.loads(answer["Body"].read())["name"] == in_service


def test_a_ping_that_is_never_passed_fails_the_endpoint(
    start_sagemaker, tmp_path, aws_clients, make_config, settled, name
):
    server = start_sagemaker(tmp_path, "--startup-timeout-seconds", "0.5")
    client = aws_clients("sagemaker", endpoint_url=server.url)
    client.create_endpoint(EndpointName=name, EndpointConfigName=make_config(name, client, STUB_PING="503"))
    endpoint = settled(name, client)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check in 0.5 s" in endpoint["FailureReason"]
    code, message = error_of(client.update_endpoint, EndpointName=name, EndpointConfigName=name)
    assert code == "ValidationException"
    assert "in status Failed; delete it" in message
    client.delete_endpoint(EndpointName=name)
    server.stop()


def test_a_model_that_dies_is_started_again(runtime, in_service, wait_until):
    with pytest.raises(ClientError):
        runtime.invoke_endpoint(EndpointName=in_service, Body=b"die")

    def answers():
        try:
            return runtime.invoke_endpoint(EndpointName=in_service, Body=b"x")
        except ClientError:
            return None

    wait_until(answers, 60)


def test_variants_share_the_requests_by_weight(sagemaker, runtime, make_config, settled, name):
    make_config(name)
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-two",
        ProductionVariants=[
            {
                "VariantName": variant,
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for variant, weight in (("all", 1.0), ("none", 0.0))
        ],
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-two")
    assert settled(name)["EndpointStatus"] == "InService"
    invoked = {
        runtime.invoke_endpoint(EndpointName=name, Body=b"x")["InvokedProductionVariant"] for _ in range(5)
    }
    assert invoked == {"all"}
    aimed = runtime.invoke_endpoint(EndpointName=name, Body=b"x", TargetVariant="none")
    assert aimed["InvokedProductionVariant"] == "none"
    sagemaker.delete_endpoint(EndpointName=name)


def test_an_endpoint_outlives_its_model_and_goes_when_deleted(
    sagemaker, runtime, in_service, wait_until, make_config
):
    sagemaker.delete_model(ModelName=in_service)
    sagemaker.delete_endpoint_config(EndpointConfigName=in_service)
    runtime.invoke_endpoint(EndpointName=in_service, Body=b"x")
    sagemaker.delete_endpoint(EndpointName=in_service)

    def gone():
        found = sagemaker.list_endpoints(NameContains=in_service)["Endpoints"]
        return not found

    wait_until(gone, 60)
    assert error_of(sagemaker.describe_endpoint, EndpointName=in_service) == (
        "ValidationException",
        f'Could not find endpoint "{ARN}:endpoint/{in_service}".',
    )
    sagemaker.create_endpoint(EndpointName=in_service, EndpointConfigName=make_config(in_service))
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=in_service, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_sentences_of_aws_for_names_that_are_missing_or_taken(
    sagemaker, make_config, in_service, role_arn, tmp_path
):
    def sentence(call, **arguments):
        code, message = error_of(call, **arguments)
        assert code == "ValidationException"
        return message

    missing = f'"{ARN}:endpoint-config/nobody".'
    assert sentence(sagemaker.create_endpoint, EndpointName="e", EndpointConfigName="nobody") == (
        f"Could not find endpoint configuration {missing}"
    )
    assert sentence(sagemaker.update_endpoint, EndpointName="nobody", EndpointConfigName=in_service) == (
        f'Could not find endpoint "{ARN}:endpoint/nobody".'
    )
    assert (
        sentence(sagemaker.describe_model, ModelName="nobody")
        == f'Could not find model "{ARN}:model/nobody".'
    )
    assert sentence(sagemaker.delete_endpoint_config, EndpointConfigName="nobody").endswith(missing)
    assert sentence(sagemaker.create_endpoint, EndpointName=in_service, EndpointConfigName=in_service) == (
        f'Cannot create already existing endpoint "{ARN}:endpoint/{in_service}".'
    )
    container = {"Image": "x/stub-algorithm:1"}
    assert sentence(
        sagemaker.create_model, ModelName=in_service, ExecutionRoleArn=role_arn, PrimaryContainer=container
    ) == (f'Cannot create already existing model "{ARN}:model/{in_service}".')
    config = sagemaker.describe_endpoint_config(EndpointConfigName=in_service)
    assert sentence(
        sagemaker.create_endpoint_config,
        EndpointConfigName=in_service,
        ProductionVariants=config["ProductionVariants"],
    ) == (f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/{in_service}".')
    held = tmp_path / "held"
    held.touch()
    slow = make_config(f"{in_service}-slow", STUB_NOT_READY_WHILE=str(held))
    sagemaker.update_endpoint(EndpointName=in_service, EndpointConfigName=slow)
    assert sentence(sagemaker.update_endpoint, EndpointName=in_service, EndpointConfigName=in_service) == (
        f'Cannot update in-progress endpoint "{ARN}:endpoint/{in_service}".'
    )
    held.unlink()
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=in_service, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def test_model_data_that_is_not_there_is_refused(sagemaker, bucket, role_arn, name):
    container = {"Image": "x/stub-algorithm:1", "ModelDataUrl": f"s3://{bucket}/no/model.tar.gz"}
    code, message = error_of(
        sagemaker.create_model, ModelName=name, ExecutionRoleArn=role_arn, PrimaryContainer=container
    )
    assert code == "ValidationException"
    assert message.startswith(f"Could not find model data at s3://{bucket}/no/model.tar.gz.")


def test_tags_on_models_configs_and_endpoints(sagemaker, make_config, in_service):
    for kind in ("model", "endpoint-config", "endpoint"):
        arn = f"{ARN}:{kind}/{in_service}"
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    code, _ = error_of(sagemaker.list_tags, ResourceArn=f"{ARN}:model/nobody")
    assert code == "ValidationException"


def test_what_this_server_does_not_do_is_said(sagemaker, runtime):
    with pytest.raises(ClientError) as caught:
        sagemaker.list_pipelines()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "ListPipelines" in caught.value.response["Error"]["Message"]
