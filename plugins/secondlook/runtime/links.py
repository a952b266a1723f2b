"""Links to the AWS console, or to the server that answers in AWS's place.

A link is written while the task runs, so that the button works during a long training or review, not only
afterwards: ``persist`` stores the finished address as the XCom that the Airflow UI reads, and
``get_link``, which Airflow calls when the task ends or defers, returns that same address.

Where the button leads follows from the client that did the work. A client of amazonaws.com leads to the AWS
console of its region and partition; any other client (an ``endpoint_url`` in the Airflow connection) leads to
that server itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

CONSOLE_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}
# The DNS suffixes of AWS's public partitions (botocore's endpoints.json).
_AWS_HOSTS = (
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
)


def is_aws(endpoint_url: str) -> bool:
    """Say whether an endpoint address belongs to AWS itself."""
    host = urlsplit(endpoint_url).hostname or ""
    return any(host == domain or host.endswith("." + domain) for domain in _AWS_HOSTS)


class PlaceLink(BaseOperatorLink):
    """Base of all links: an address built from the boto3 client that did the work and the resource's name."""

    name: ClassVar[str]
    console_path: ClassVar[str]
    server_path: ClassVar[str]

    @classmethod
    def url(cls, *, client: Any, name: str) -> str:
        """Return the address of the resource called ``name`` that ``client`` works on."""
        meta = client.meta
        place = quote(name, safe="")
        if not is_aws(meta.endpoint_url):
            return f"{meta.endpoint_url.rstrip('/')}{cls.server_path.format(name=place)}"
        domain = CONSOLE_DOMAINS.get(meta.partition, CONSOLE_DOMAINS["aws"])
        path = cls.console_path.format(region=meta.region_name, name=place)
        return f"https://{meta.region_name}.{domain}{path}"

    @classmethod
    def persist(cls, context: Context, operator: BaseOperator, *, client: Any, name: str) -> None:
        """Store the address for the UI; call it as soon as the resource has a name.

        Parameters
        ----------
        context
            The task's context.
        operator
            The running operator; without XCom push it gets no link.
        client
            The boto3 client that did the work (region, partition and endpoint are read from it).
        name
            Name of the endpoint, job or flow definition.
        """
        if operator.do_xcom_push:
            context["ti"].xcom_push(key=f"_link_{cls.__name__}", value=cls.url(client=client, name=name))

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address stored by ``persist``, or an empty string before the task has stored one."""
        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""


class EndpointLink(PlaceLink):
    """The SageMaker endpoint that serves the champion."""

    name = "SageMaker endpoint"
    console_path = "/sagemaker/home?region={region}#/endpoints/{name}"
    server_path = "/_status#/endpoints/{name}"


class TrainingJobLink(PlaceLink):
    """The SageMaker training job of a task."""

    name = "SageMaker training job"
    console_path = "/sagemaker/home?region={region}#/jobs/{name}"
    server_path = "/_status#/jobs/{name}"


class TransformJobLink(PlaceLink):
    """The SageMaker batch transform job of a task."""

    name = "SageMaker transform job"
    console_path = "/sagemaker/home?region={region}#/transform-jobs/{name}"
    server_path = "/_status#/transform-jobs/{name}"


class ReviewLink(PlaceLink):
    """The human reviews of a flow definition: in the Amazon A2I console or on the Review Desk."""

    name = "Human reviews"
    console_path = "/a2i/home?region={region}#/human-review-workflows/{name}"
    server_path = "/flows/{name}"
