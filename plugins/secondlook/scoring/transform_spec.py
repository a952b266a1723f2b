"""What is asked of SageMaker for a batch transform, as a plain record, and the request made of it.

Request shape: Amazon SageMaker API Reference, CreateTransformJob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from secondlook.detection.answer import ACCEPT


@dataclass(frozen=True)
class TransformSpec:
    """A batch transform of images named by a manifest (``[{"prefix": ..}, "key", ...]``)."""

    model_resource: str
    manifest_uri: str
    output_uri: str
    instance_type: str
    max_concurrent: int = 4

    def request(self, name: str) -> dict[str, Any]:
        """Return the CreateTransformJob request for the job called ``name``."""
        return {
            "TransformJobName": name,
            "ModelName": self.model_resource,
            "MaxConcurrentTransforms": self.max_concurrent,
            "MaxPayloadInMB": 6,
            "BatchStrategy": "SingleRecord",
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": self.manifest_uri}},
                "ContentType": "application/x-image",
                "CompressionType": "None",
                "SplitType": "None",
            },
            "TransformOutput": {
                "S3OutputPath": self.output_uri,
                "Accept": ACCEPT,
                "AssembleWith": "None",
            },
            "TransformResources": {"InstanceType": self.instance_type, "InstanceCount": 1},
        }


def transform_differences(request: dict[str, Any], described: dict[str, Any]) -> list[str]:
    """Names of the members in which a job that exists differs from the one asked for."""
    wanted, found = _transform_essence(request), _transform_essence(described)
    return [name for name in wanted if wanted[name] != found[name]]


def _transform_essence(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "ModelName": job["ModelName"],
        "S3Uri": job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"],
        "S3OutputPath": job["TransformOutput"]["S3OutputPath"].rstrip("/"),
    }
