"""Requests to SageMaker on this machine: wrong in one member, wrong in many, hardly HTTP, wrongly signed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from include.aws_protocol.catalog import resolve_target
from tests.support.aws import ROLE_ARN, STUB_IMAGE, AwsCredentials
from tests.support.hostile.changes import changes, spread
from tests.support.hostile.signing import PREFIX, RPC, WRONG_SIGNATURES, Request, rpc, runtime, sign

_LOGS = "Logs_20140328"
_GROUP = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True)
class Names:
    """What exists on the server that is attacked; ``stream`` is that of the training job's log."""

    bucket: str
    model: str
    endpoint: str
    job: str
    stream: str


def valid_calls(names: Names) -> dict[str, dict[str, Any]]:
    """For each operation with a JSON body, parameters that would be taken."""
    data, tags = f"s3://{names.bucket}/data/", [{"Key": "k", "Value": "v"}]
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": data}}
    instances = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    variant = {
        "VariantName": "v",
        "ModelName": names.model,
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        "InstanceType": "ml.m5.large",
    }
    page = {"MaxResults": 5, "SortOrder": "Ascending", "CreationTimeAfter": 1.0, "NameContains": "a"}
    return {
        "CreateModel": {
            "ModelName": "new-model",
            "ExecutionRoleArn": ROLE_ARN,
            "PrimaryContainer": {"Image": STUB_IMAGE, "Environment": {"A": "b"}},
            "Tags": tags,
        },
        "DescribeModel": {"ModelName": names.model},
        "ListModels": page,
        "DeleteModel": {"ModelName": names.model},
        "CreateEndpointConfig": {"EndpointConfigName": "new-config", "ProductionVariants": [variant]},
        "DescribeEndpointConfig": {"EndpointConfigName": names.model},
        "ListEndpointConfigs": page,
        "DeleteEndpointConfig": {"EndpointConfigName": names.model},
        "CreateEndpoint": {"EndpointName": "new-endpoint", "EndpointConfigName": names.model, "Tags": tags},
        "DescribeEndpoint": {"EndpointName": names.endpoint},
        "ListEndpoints": page | {"StatusEquals": "InService"},
        "UpdateEndpoint": {
            "EndpointName": names.endpoint,
            "EndpointConfigName": names.model,
            "RetainAllVariantProperties": True,
        },
        "DeleteEndpoint": {"EndpointName": names.endpoint},
        "CreateTrainingJob": {
            "TrainingJobName": "new-job",
            "RoleArn": ROLE_ARN,
            "AlgorithmSpecification": {
                "TrainingImage": STUB_IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
            },
            "HyperParameters": {"epochs": "1"},
            "Environment": {"A": "b"},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": source, "ShuffleConfig": {"Seed": 1}},
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{names.bucket}/models"},
            "ResourceConfig": instances | {"VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "Tags": tags,
        },
        "DescribeTrainingJob": {"TrainingJobName": names.job},
        "ListTrainingJobs": page | {"StatusEquals": "Completed"},
        "StopTrainingJob": {"TrainingJobName": names.job},
        "DeleteTrainingJob": {"TrainingJobName": names.job},
        "CreateTransformJob": {
            "TransformJobName": "new-transform",
            "ModelName": names.model,
            "MaxConcurrentTransforms": 2,
            "MaxPayloadInMB": 6,
            "ModelClientConfig": {"InvocationsTimeoutInSeconds": 5, "InvocationsMaxRetries": 0},
            "TransformInput": {"DataSource": source, "ContentType": "image/jpeg"},
            "TransformOutput": {"S3OutputPath": f"s3://{names.bucket}/out"},
            "TransformResources": instances,
        },
        "DescribeTransformJob": {"TransformJobName": names.job},
        "ListTransformJobs": page,
        "StopTransformJob": {"TransformJobName": names.job},
        "AddTags": {"ResourceArn": f"{PREFIX}:model/{names.model}", "Tags": tags},
        "ListTags": {"ResourceArn": f"{PREFIX}:model/{names.model}"},
        "DeleteTags": {"ResourceArn": f"{PREFIX}:model/{names.model}", "TagKeys": ["k"]},
        "DescribeLogStreams": {"logGroupName": _GROUP, "logStreamNamePrefix": names.job, "limit": 5},
        "GetLogEvents": {
            "logGroupName": _GROUP,
            "logStreamName": names.stream,
            "startTime": 0,
            "endTime": 9_999_999_999_999,
            "limit": 5,
            "startFromHead": True,
        },
    }


@dataclass(frozen=True)
class Attack:
    """Makes requests against what ``names`` names, signed with ``keys``."""

    names: Names
    keys: AwsCredentials

    def signed(self, request: Request, **how: Any) -> Request:
        pair = {"key": self.keys.access_key_id, "secret": self.keys.secret_access_key}
        return sign(request, **(pair | how))

    def call(self, kind: str, operation: str, body: Any, **how: Any) -> Request:
        is_log = operation in ("DescribeLogStreams", "GetLogEvents")
        request = rpc(kind, operation, body, _LOGS if is_log else "SageMaker")
        return self.signed(request, **({"service": "logs"} if is_log else {}), **how)

    def wrong_in_one_member(self, chance: random.Random, count: int) -> list[Request]:
        pools = [self._changed(*one) for one in valid_calls(self.names).items()]
        return spread(pools, chance, count)

    def _changed(self, operation: str, params: dict[str, Any]) -> Iterator[Request]:
        for kind, changed in changes(_shape(operation), params):
            yield self.call(kind, operation, changed)

    def random(self, chance: random.Random, count: int) -> Iterator[Request]:
        """Any operation with any of its members set to anything, or to what would be taken elsewhere."""
        calls = list(valid_calls(self.names).items())
        for _ in range(count):
            operation, params = chance.choice(calls)
            params = copy.deepcopy(params)
            if operation.startswith("Create") and chance.random() < 0.3:
                # Otherwise what comes first takes the one new name.
                params[next(iter(params))] = f"r{chance.randrange(10**9)}"
            request = self.call("random", operation, _shaken(params, chance, chance.choice((0.02, 0.1, 0.2))))
            if chance.random() < 0.1:
                cut = chance.randrange(len(request.body))
                request = replace(request, body=request.body[:cut] + chance.randbytes(3) + request.body[cut:])
                request = self.signed(request) if chance.random() < 0.5 else request
            yield request

    def broken_documents(self) -> Iterator[Request]:
        deep = [b'{"Tags": ' + b"[" * depth + b"]" * depth + b"}" for depth in (200, 990, 100_000)]
        deep += [b'{"A":' * depth + b"1" + b"}" * depth for depth in (200, 990, 100_000)]
        bodies = [b"{", b"[]", b"null", b"\x00", b"\xff{}", b'{"MaxResults": NaN}', b'{"MaxResults": 1e400}']
        bodies += [b'{"MaxResults": ' + b"9" * 5000 + b"}", b'{"CreationTimeAfter": 1e30}', *deep]
        bodies += [b'{"CreationTimeBefore": "99999-01-01"}', b'{"CreationTimeAfter": -1e30}']
        for body in bodies:
            for operation in ("ListModels", "ListTrainingJobs", "CreateTrainingJob"):
                yield self.call("broken document", operation, body)

    def made_up_tokens(self) -> Iterator[Request]:
        for token in ("x", "LTU=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5Cg=x", "\u00fc", "bm8=", "a" * 8192):
            for operation in ("ListModels", "ListEndpoints", "ListTransformJobs"):
                yield self.call("made-up page token", operation, {"NextToken": token})
        for token in ("f/1", "b/7", "f/-1", "x/0", "f/" + "9" * 40, "f/\u0663", "", "f/"):
            params = valid_calls(self.names)["GetLogEvents"] | {"nextToken": token}
            yield self.call("made-up page token", "GetLogEvents", params)

    def impossible_names(self) -> Iterator[Request]:
        for group in ("/" * 100, "/" * 512, "." * 512, "..", "../../state.sqlite", "#" * 300):
            yield self.call("impossible name", "DescribeLogStreams", {"logGroupName": group})
            for stream in ("/" * 512, "..", "../../../state.sqlite", "\u00fc" * 200):
                asked = {"logGroupName": group, "logStreamName": stream}
                yield self.call("impossible name", "GetLogEvents", asked)
        for arn in (
            "x",
            f"{PREFIX}:model/",
            f"{PREFIX}:model/../x",
            f"{PREFIX}:nothing/x",
            f"{PREFIX}:" + "/" * 99,
        ):
            yield self.call("impossible name", "ListTags", {"ResourceArn": arn})
        for uri in (
            "s3://",
            "s3://B",
            "s3://b/",
            "https://b/k",
            "s3://" + "b" * 300,
            f"s3://{self.names.bucket}",
        ):
            container = {"Image": STUB_IMAGE, "ModelDataUrl": uri}
            model = {"ModelName": "new", "ExecutionRoleArn": ROLE_ARN, "PrimaryContainer": container}
            yield self.call("impossible name", "CreateModel", model)

    def invocations(self) -> Iterator[Request]:
        """InvokeEndpoint: wrong endpoints, paths, and headers that would be passed on to the model."""
        body = b"\xff\xd8\xff"
        names = (
            "..",
            "%2e%2e",
            "%00",
            "a%0d%0ab",
            "%ff",
            "a" * 64,
            "a" * 9000,
            "%F0%9F%98%80",
            "none",
            "-",
            "%",
        )
        for name in names:
            yield self.signed(runtime("endpoint", "POST", f"/endpoints/{name}/invocations", body))
        path = f"/endpoints/{self.names.endpoint}/invocations"
        for header, value in (
            ("X-Amzn-SageMaker-Target-Variant", "none"),
            ("X-Amzn-SageMaker-Target-Variant", "\u00e9" * 70),
            ("X-Amzn-SageMaker-Target-Model", "../x.tar.gz"),
            ("X-Amzn-SageMaker-Custom-Attributes", "\u00e9"),
            ("X-Amzn-SageMaker-Custom-Attributes", "a" * 2000),
            ("X-Amzn-SageMaker-Session-Id", "NEW_SESSION"),
            ("Content-Type", "x" * 2000),
            ("Accept", "x" * 2000),
        ):
            yield self.signed(Request("invocation header", "POST", path, body, {header: value}))
        yield self.signed(Request("invocation body", "POST", path, b"x" * (6 * 1024 * 1024 + 1), {}))
        for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"):
            yield self.signed(Request("wrong method", method, path, b"", {}))

    def wrong_addresses(self) -> Iterator[Request]:
        body = json.dumps({"ModelName": self.names.model}).encode()
        for target in (
            "SageMaker.",
            "SageMaker.Nope",
            ".DeleteModel",
            "SageMaker",
            "SageMaker.DeleteModel.x",
            "a" * 9000,
        ):
            headers = {"X-Amz-Target": target, "Content-Type": RPC}
            yield self.signed(Request("wrong target", "POST", "/", body, headers))
        headers = {"X-Amz-Target": "SageMaker.DeleteModel", "Content-Type": RPC}
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"):
            yield self.signed(Request("wrong method", method, "/", body, headers))
        for path in (
            "//",
            "/x",
            "/%2f",
            "/_status/x",
            "/_status/..",
            "/" + "a/" * 4000,
            "/%00",
            "/%C3%BC",
        ):
            yield self.signed(Request("wrong path", "POST", path, body, headers))
        for given in ("text/plain", "multipart/form-data; boundary=x", "x" * 5000, "\u00e9"):
            yield self.signed(Request("content type", "POST", "/", body, headers | {"Content-Type": given}))
        for method in ("POST", "PUT", "DELETE", "BREW"):
            yield Request("wrong method", method, "/_status", b"", {})

    def bad_signatures(self) -> Iterator[Request]:
        requests = [
            rpc("signature", "DeleteModel", {"ModelName": self.names.model}),
            rpc("signature", "DeleteEndpoint", {"EndpointName": self.names.endpoint}),
            runtime("signature", "POST", f"/endpoints/{self.names.endpoint}/invocations", b"x"),
        ]
        for request in requests:
            yield request
            for way in WRONG_SIGNATURES:
                yield self.signed(request, **way)
            good = self.signed(request)
            yield replace(good, body=good.body + b" ")
            yield replace(good, path=good.path + "?x=1")
            for header in (
                "",
                "AWS4-HMAC-SHA256",
                "Basic eDp5",
                good.headers["Authorization"][:-1] + "\u00e9",
            ):
                yield replace(good, headers=good.headers | {"Authorization": header})


def _shape(operation: str) -> Any:
    for prefix in ("SageMaker", _LOGS):
        found = resolve_target(f"{prefix}.{operation}")
        if found is not None:
            return found.model.input_shape
    raise AssertionError(operation)


_ANYTHING = (
    *(None, True, 0, -1, 1, 10**30, 1.5, -1e308, [], {}, [[]], [{}], {"a": "b"}, ["a"] * 50, {"": ""}),
    *("", " ", "..", "/", "a" * 300, "\u00fc\N{GRINNING FACE}", "\ud800", "\0", "s3://b/../k", "-1", "NaN"),
    *("${jndi:x}", "{{7*7}}", "'; DROP TABLE resource; --", "%s%n", "1e999", "(a+)+$", "((((", "[]"),
    *("File", "Pipe", "ManifestFile", "AugmentedManifestFile", "RecordIO", "Status", "Name", "Descending"),
)


def _shaken(value: Any, chance: random.Random, share: float) -> Any:
    """The value with that share of its parts replaced, and half as many removed, added or doubled."""
    if chance.random() < share:
        return copy.deepcopy(chance.choice(_ANYTHING))
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if chance.random() > share / 2}
        if chance.random() < share / 2:
            kept[str(chance.choice(_ANYTHING))] = chance.choice(_ANYTHING)
        return {name: _shaken(item, chance, share) for name, item in kept.items()}
    if isinstance(value, list):
        shaken = [_shaken(item, chance, share) for item in value]
        return shaken * 2 if chance.random() < share / 2 else shaken
    return value
