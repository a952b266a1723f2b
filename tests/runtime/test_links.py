"""Where the buttons of a task lead."""

from __future__ import annotations

import boto3
import pytest
from airflow.plugins_manager import AirflowPlugin

from plugins.secondlook_plugin import SecondLookPlugin
from secondlook.runtime.links import EndpointLink, ReviewLink, TrainingJobLink, TransformJobLink


def client(service, region, **arguments):
    return boto3.client(
        service, region_name=region, aws_access_key_id="key", aws_secret_access_key="secret", **arguments
    )


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (EndpointLink, "/sagemaker/home?region=eu-west-1#/endpoints/second-look"),
        (TrainingJobLink, "/sagemaker/home?region=eu-west-1#/jobs/second-look"),
        (TransformJobLink, "/sagemaker/home?region=eu-west-1#/transform-jobs/second-look"),
        (ReviewLink, "/a2i/home?region=eu-west-1#/human-review-workflows/second-look"),
    ],
)
def test_on_aws_they_lead_to_the_console_of_the_region(link, path):
    runtime = client("sagemaker-a2i-runtime", "eu-west-1")
    assert link.url(client=runtime, name="second-look") == f"https://eu-west-1.console.aws.amazon.com{path}"


def test_in_another_partition_they_lead_to_its_console():
    runtime = client("sagemaker-runtime", "cn-north-1")
    assert EndpointLink.url(client=runtime, name="x").startswith("https://cn-north-1.console.amazonaws.cn/")


def test_with_an_endpoint_url_they_lead_to_that_server():
    desk = client("sagemaker-a2i-runtime", "us-east-1", endpoint_url="http://127.0.0.1:5800/")
    assert ReviewLink.url(client=desk, name="night") == "http://127.0.0.1:5800/flows/night"


def test_the_plugin_registers_every_link():
    assert issubclass(SecondLookPlugin, AirflowPlugin)
    names = [link.name for link in SecondLookPlugin.operator_extra_links]
    assert len(set(names)) == 4
