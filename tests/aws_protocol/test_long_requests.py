"""Long requests by those who hold a key: what is refused, how soon, and that no one else waits."""

from __future__ import annotations

import json
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.aws_protocol import ServiceError, body_limits, catalog
from include.aws_protocol.body_limits import check_structure, most_bytes
from include.aws_protocol.validation import validate

MIB = 1024 * 1024
ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f"


def add_tags() -> catalog.Operation:
    operation = catalog.resolve_target("SageMaker.AddTags")
    assert operation is not None
    return operation


def fault(operation: catalog.Operation, params: dict) -> str:
    with pytest.raises(ServiceError) as caught:
        validate(operation, params)
    return caught.value.message


class Counted(list):
    """A list that notices when its items are looked at one by one."""

    looked = 0

    def __iter__(self):
        for item in super().__iter__():
            self.looked += 1
            yield item


def test_validation_does_not_look_into_a_list_that_is_too_long():
    tags = Counted([{"Key": "k", "Value": "v"}] * 1_000_000)
    message = fault(add_tags(), {"ResourceArn": ARN, "Tags": tags})
    assert message.startswith("1 validation error detected: Value '[{'Key': 'k', 'Value': 'v'},")
    assert message.endswith("at 'tags' failed to satisfy constraint: Member must have length less than or "
                            "equal to 50")  # fmt: skip
    assert tags.looked <= 10
    assert len(message) < 500


def test_other_members_are_still_told():
    tags = [{"Key": "k", "Value": "v"}] * 51
    message = fault(add_tags(), {"ResourceArn": "a" * 300, "Tags": tags})
    assert message.startswith("2 validation errors detected: Value 'aaa")
    assert "at 'tags'" in message


@pytest.mark.parametrize(
    "value", [{"list": [["deep"] * 1000] * 1000}, {"k" * 500: "v" * 10_000}, "x" * 10_000, 10**300]
)
def test_a_wrong_value_is_shown_in_brief(value):
    assert len(fault(add_tags(), {"ResourceArn": ARN, "Tags": value})) < 500


@pytest.mark.parametrize(
    ("service", "operation", "most"),
    [
        ("sagemaker", "AddTags", 512 * 1024),
        ("sagemaker-a2i-runtime", "StartHumanLoop", 36 * MIB + 65_536),
        ("sagemaker", "CreateHumanTaskUi", 1_601_536),
        ("sagemaker-runtime", "InvokeEndpoint", 6 * MIB + 65_536),
    ],
)
def test_an_operation_takes_what_its_texts_need(service, operation, most):
    assert most_bytes(service, operation) == most


@given(
    st.recursive(
        st.text(max_size=8) | st.integers() | st.booleans(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=12,
    ),
    st.integers(1, 9),
)
def test_bytes_outside_of_texts_are_counted_whatever_the_texts_hold(value, size):
    """Against Python's own reading: take every text out of the document, and count what is left."""
    document = json.dumps([value, json.dumps(value)])
    raw, outside = document.encode(), 0
    position = 0
    while position < len(document):
        if document[position] == '"':
            _, position = json.decoder.scanstring(document, position + 1)
            outside += 2
        else:
            outside += 1
            position += 1
    parts = [raw[start : start + size] for start in range(0, len(raw), size)]
    with mock.patch.object(body_limits, "OTHERS_BYTES", outside):
        check_structure(parts)
    with (
        mock.patch.object(body_limits, "OTHERS_BYTES", outside - 1),
        pytest.raises(ServiceError, match="outside of its texts"),
    ):
        check_structure(parts)


def test_a_long_request_of_brackets_is_refused_unparsed(server):
    """A signed StartHumanLoop of 8 MiB whose length is that of its lists."""
    client = server.client("sagemaker-a2i-runtime")
    client.meta.events.register(
        "before-call.sagemaker-a2i-runtime.StartHumanLoop",
        lambda params, **_: params.update(body=b'{"DataAttributes":[' + b"[]," * (8 * MIB // 3) + b"0]}"),
    )
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.start_human_loop(
            HumanLoopName="x", FlowDefinitionArn=ARN, HumanLoopInput={"InputContent": "x"}
        )
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "outside of its texts" in response["Error"]["Message"]
    assert server.recorder.calls == []


def test_a_long_text_is_taken(server):
    text = json.dumps([{"key": "\U0001f600"}] * 200_000, ensure_ascii=False)
    server.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName="loop",
        FlowDefinitionArn=ARN,
        HumanLoopInput={"InputContent": text[: 3 * MIB]},
    )
    (call,) = server.recorder.calls
    assert call.params["HumanLoopInput"]["InputContent"] == text[: 3 * MIB]
