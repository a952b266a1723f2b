"""What is asked of SageMaker for a training, as a plain record, and the request made of it.

Request shape: Amazon SageMaker API Reference, CreateTrainingJob; the channels are those of the SageMaker
Developer Guide, "Object Detection Algorithm", Input/Output Interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from secondlook.training.manifest import ATTRIBUTE_NAMES

RECORDIO = "application/x-recordio"


@dataclass(frozen=True)
class Channel:
    """One input channel of a training job.

    ``kind``: ``manifest`` (augmented manifest, Pipe mode), ``recordio`` (one .rec file, File mode) or
    ``model`` (the parent's artifact). ``shuffle_seed`` shuffles the lines of a manifest.
    """

    name: str
    kind: Literal["manifest", "recordio", "model"]
    uri: str
    shuffle_seed: int | None = None

    def request(self) -> dict[str, Any]:
        """Return the channel as CreateTrainingJob wants it."""
        source: dict[str, Any] = {"S3DataType": "S3Prefix", "S3Uri": self.uri}
        source["S3DataDistributionType"] = "FullyReplicated"
        if self.kind == "model":
            return self._channel(source, "application/x-sagemaker-model", "File")
        if self.kind == "recordio":
            return self._channel(source, RECORDIO, "File")
        source |= {"S3DataType": "AugmentedManifestFile", "AttributeNames": list(ATTRIBUTE_NAMES)}
        channel = self._channel(source, RECORDIO, "Pipe") | {"RecordWrapperType": "RecordIO"}
        if self.shuffle_seed is not None:
            channel["ShuffleConfig"] = {"Seed": self.shuffle_seed}
        return channel

    def _channel(self, source: dict[str, Any], content_type: str, mode: str) -> dict[str, Any]:
        return {
            "ChannelName": self.name,
            "DataSource": {"S3DataSource": source},
            "ContentType": content_type,
            "CompressionType": "None",
            "InputMode": mode,
        }


@dataclass(frozen=True)
class TrainingSpec:
    """All a training job depends on, except its name."""

    image: str
    role_arn: str
    hyperparameters: dict[str, str]
    channels: tuple[Channel, ...]
    output_uri: str
    instance_type: str
    volume_size_gb: int = 50
    max_runtime_seconds: int = 14400

    def request(self, name: str) -> dict[str, Any]:
        """Return the CreateTrainingJob request for the job called ``name``."""
        mode = "Pipe" if any(channel.kind == "manifest" for channel in self.channels) else "File"
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": mode},
            "RoleArn": self.role_arn,
            "HyperParameters": self.hyperparameters,
            "InputDataConfig": [channel.request() for channel in self.channels],
            "OutputDataConfig": {"S3OutputPath": self.output_uri},
            "ResourceConfig": {
                "InstanceType": self.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": self.volume_size_gb,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": self.max_runtime_seconds},
        }


def training_differences(request: dict[str, Any], described: dict[str, Any]) -> list[str]:
    """Names of the members in which a job that exists differs from the one asked for.

    Only what decides the result is compared; a service may add defaults to the rest.
    """
    wanted, found = _training_essence(request), _training_essence(described)
    return [name for name in wanted if wanted[name] != found[name]]


def _training_essence(job: dict[str, Any]) -> dict[str, Any]:
    channels = job.get("InputDataConfig", [])
    return {
        "TrainingImage": job["AlgorithmSpecification"].get("TrainingImage"),
        "HyperParameters": job.get("HyperParameters", {}),
        "InputDataConfig": sorted(
            (channel["ChannelName"], channel["DataSource"]["S3DataSource"]["S3Uri"]) for channel in channels
        ),
        "S3OutputPath": job["OutputDataConfig"]["S3OutputPath"].rstrip("/"),
    }
