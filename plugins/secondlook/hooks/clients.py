"""AWS clients from Airflow connections, all with one configuration of retries and time-outs. No other module
makes clients.

Which service answers is a matter of the connection (its ``service_config`` may name an endpoint URL per
service), never of code.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config

# "adaptive" retries throttling, 5xx and dropped connections with jittered back-off like "standard", and slows
# a client down while its service throttles it. The back-off between six calls adds up to half a minute at
# most; longer trouble is the retry policy's matter. InvokeEndpoint may take 60 s inside the container, so a
# client must be willing to read for longer than that. The pool is as large as the most threads of a task.
CLIENT_CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=70,
    max_pool_connections=64,
    tcp_keepalive=True,
)


class SecondLookAwsHook(AwsBaseHook):
    """An Airflow AWS hook bound to one service and to :data:`CLIENT_CONFIG`.

    :param aws_conn_id: Airflow connection with credentials, region and endpoint URLs.
    :param region_name: AWS Region; the connection's when None.
    """

    service: ClassVar[str]

    def __init__(self, aws_conn_id: str | None = "aws_default", region_name: str | None = None) -> None:
        super().__init__(
            aws_conn_id=aws_conn_id, region_name=region_name, client_type=self.service, config=CLIENT_CONFIG
        )

    def _get_caller(self, target_function_name: str = "execute") -> str:
        """Name this hook in the user agent; the provider would search the whole call stack for a name."""
        return type(self).__name__

    @property
    def client(self) -> Any:
        """The boto3 client (made once per hook; safe to share between threads)."""
        return self.conn

    async def async_client(self) -> Any:
        """Return an aiobotocore client context: ``async with await hook.async_client() as client``."""
        return await self.get_async_conn()  # type: ignore[no-untyped-call]


class S3ClientHook(SecondLookAwsHook):
    """Amazon S3."""

    service = "s3"


class SageMakerClientHook(SecondLookAwsHook):
    """SageMaker's control plane: models, endpoints, jobs, work teams, flow definitions."""

    service = "sagemaker"


class SageMakerRuntimeHook(SecondLookAwsHook):
    """SageMaker's data plane: InvokeEndpoint."""

    service = "sagemaker-runtime"


class A2IRuntimeHook(SecondLookAwsHook):
    """Amazon Augmented AI's data plane: human loops."""

    service = "sagemaker-a2i-runtime"


class SqsQueueHook(SecondLookAwsHook):
    """Amazon SQS: events about human loops."""

    service = "sqs"


class LogsHook(SecondLookAwsHook):
    """Amazon CloudWatch Logs."""

    service = "logs"
