"""The account, the keys and the connections with which tests call the local servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"
ACCOUNT_ID = "111122223333"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/second-look"
DETECTOR_IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"
STUB_IMAGE = f"{ACCOUNT_ID}.dkr.ecr.us-east-1.amazonaws.com/stub-algorithm:1"


@dataclass(frozen=True)
class AwsCredentials:
    """A key pair that the local servers know; no account anywhere does."""

    access_key_id: str
    secret_access_key: str
    file: Path
    """JSON file ``{access key id: secret}``, as the servers' ``--credentials`` takes it."""


def connection(credentials: AwsCredentials, endpoints: dict[str, str]) -> str:
    """An Airflow connection as JSON that reaches each service at the given URL, and no other service."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": credentials.access_key_id,
            "password": credentials.secret_access_key,
            "extra": {
                "region_name": REGION,
                "service_config": {service: {"endpoint_url": url} for service, url in endpoints.items()},
            },
        }
    )
