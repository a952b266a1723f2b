"""AWS's wire protocols for services that run on this machine.

An :class:`AwsApplication` answers unmodified AWS clients (boto3, aiobotocore, the AWS CLI) for the services
in :data:`SERVICES`. Requests are routed, parsed and validated, and answers serialised, by botocore's own
service models; what an operation *does* is a handler: a function from a :class:`Call` to the operation's
output.

What it does not do: presigned URLs, SigV4a, event streams, the query and XML protocols.
"""

from __future__ import annotations

from include.aws_protocol.application import AwsApplication, Call, Handler, SecretOf
from include.aws_protocol.catalog import SERVICES
from include.aws_protocol.errors import ServiceError

__all__ = ["SERVICES", "AwsApplication", "Call", "Handler", "SecretOf", "ServiceError"]
