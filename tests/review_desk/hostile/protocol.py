"""Broken documents, wrong addresses and bad signatures for the AWS API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from tests.review_desk.hostile.models import Names, call, valid_calls
from tests.support.desk import flow_request
from tests.support.hostile.signing import PREFIX, RPC, WRONG_SIGNATURES, Request, rpc, runtime, sign


def broken_documents(names: Names) -> Iterator[Request]:
    """Bodies that are no JSON, not UTF-8 or too deep; inputs that are no JSON."""
    valid = json.dumps({"WorkteamName": names.team}).encode()
    bodies = {
        "bad JSON": [
            b"{",
            b"[]",
            b'"x"',
            b"1",
            b"null",
            b"{'a': 1}",
            b'{"WorkteamName": }',
            b"\x00",
            valid[:-1],
        ],
        "bad encoding": [
            valid.decode().encode("utf-16"),
            b"\xff" + valid,
            b'{"WorkteamName": "\xc3\x28"}',
            valid.replace(b"team", b"\xed\xa0\x80"),
            b"\xef\xbb\xbf" + valid,
        ],
        "number": [
            b'{"MaxResults": NaN}',
            b'{"MaxResults": Infinity}',
            b'{"MaxResults": 1e400}',
            b'{"MaxResults": -1e400}',
            b'{"MaxResults": ' + b"9" * 5000 + b"}",
            b'{"CreationTimeAfter": 1e400}',
            b'{"CreationTimeAfter": "1e400"}',
        ],
        "deep nesting": [
            b'{"Tags": ' + b"[" * depth + b"]" * depth + b"}" for depth in (200, 900, 960, 100_000)
        ]
        + [b'{"A":' * depth + b"1" + b"}" * depth for depth in (200, 900, 960, 100_000)],
    }
    for kind, variants in bodies.items():
        for body in variants:
            for operation in ("ListWorkteams", "DeleteWorkteam", "ListFlowDefinitions"):
                yield sign(rpc(kind, operation, body))
            yield sign(runtime(kind, "POST", "/human-loops", body))
    flow = f"{PREFIX}:flow-definition/{names.flow}"
    for content in (
        "",
        "{",
        "{'a': 1}",
        "NaN",
        '{"a": -Infinity}',
        '{"a": 1e999}',
        r'"\ud800"',
        "1" * 5000,
        "[" * 100_000,
        "[" * 101 + "]" * 101,
        '{"a":' * 500 + "1" + "}" * 500,
        r'{"a": "\u0000"}',
        r'{"\u0000": 1}',
        '{"a": "\\\\\\u0000"}',
        '{"a": "\t"}',
    ):
        params = {
            "HumanLoopName": "x",
            "FlowDefinitionArn": flow,
            "HumanLoopInput": {"InputContent": content},
        }
        yield call("bad input content", "StartHumanLoop", params)
    for token in ("x", "bm9uc2Vuc2U=", "W10=", "WyJhIiwxLDFd", "\u00fc", "a" * 8192, "e" * 8193):
        for operation in ("ListWorkteams", "ListHumanTaskUis", "ListFlowDefinitions", "ListWorkforces"):
            yield call("made-up page token", operation, {"NextToken": token})
    for name, value in (
        ("TaskCount", 10**30),
        ("TaskTimeLimitInSeconds", 10**30),
        ("TaskTitle", "x" * 1_000_000),
    ):
        params = flow_request("new-flow", names.team, names.ui, **{name: value})
        yield call("huge value", "CreateFlowDefinition", params)
    yield call(
        "huge value", "CreateHumanTaskUi", {"HumanTaskUiName": "x", "UiTemplate": {"Content": "x" * 128_001}}
    )
    too_much = {
        "HumanLoopName": "x",
        "FlowDefinitionArn": flow,
        "HumanLoopInput": {"InputContent": "1" * 3_145_729},
    }
    yield call("huge value", "StartHumanLoop", too_much)
    yield call("huge value", "DeleteTags", {"ResourceArn": flow, "TagKeys": ["x"] * 200_000})


def wrong_addresses(names: Names) -> Iterator[Request]:
    """Wrong targets, methods, content types, paths and queries; all signed rightly."""
    body = json.dumps({"WorkteamName": names.team}).encode()
    for target in (
        "SageMaker.",
        "SageMaker.Nope",
        "SageMaker.deleteWorkteam",
        ".DeleteWorkteam",
        "SageMaker",
        "SageMaker.DeleteWorkteam ",
        "SageMaker.DeleteWorkteam.x",
        "SageMaker/DeleteWorkteam",
        "SageMaker.__init__",
        "SageMaker..DeleteWorkteam",
        "a" * 9000,
    ):
        headers = {"X-Amz-Target": target, "Content-Type": RPC}
        yield sign(Request("wrong target", "POST", "/", body, headers))
    headers = {"X-Amz-Target": "SageMaker.DeleteWorkteam", "Content-Type": RPC}
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"):
        yield sign(Request("wrong method", method, "/", body, headers))
        yield sign(Request("wrong method", method, "/human-loops/stop", b"{}", {}))
    yield sign(Request("wrong method", "DELETE", "/human-loops", b"", {}))
    yield sign(Request("wrong method", "PUT", "/human-loops", b"{}", {}))
    yield sign(Request("wrong method", "POST", f"/human-loops/{names.loop}", b"{}", {}))
    for path in ("//", "/x", "/human-loops", f"/human-loops/{names.loop}", "/%2f", "/worker/sessions"):
        yield sign(Request("wrong path", "POST", path, body, headers))
    for given in (
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "x" * 5000,
        "application/x-www-form-urlencoded",
        "application/json2",
        "\u00e9",
    ):
        yield sign(Request("wrong content type", "POST", "/", body, headers | {"Content-Type": given}))
        start = json.dumps(valid_calls(names)["StartHumanLoop"]).encode()
        yield sign(Request("wrong content type", "POST", "/human-loops", start, {"Content-Type": given}))
    for name in (
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "a%00b",
        "%ff",
        "%ED%A0%80",
        "%2e%2e",
        "A",
        "a" * 64,
        "a" * 20_000,
        "a%0d%0ab",
        "-",
        "a%20b",
        "stop%2f",
        "%25",
        "%",
        "%zz",
        "a;b",
        "a'b",
        "%F0%9F%98%80",
    ):
        yield sign(Request("path trick", "GET", f"/human-loops/{name}"))
        yield sign(Request("path trick", "DELETE", f"/human-loops/{name}"))
    arn = quote(f"{PREFIX}:flow-definition/{names.flow}", safe="")
    for query in ("", "FlowDefinitionArn=", "FlowDefinitionArn=x", f"FlowDefinitionArn={arn}%00"):
        yield sign(runtime("bad query", "GET", f"/human-loops?{query}".rstrip("?")))
    for extra in (
        "MaxResults=0",
        "MaxResults=101",
        "MaxResults=x",
        "MaxResults=1e400",
        "MaxResults=" + "9" * 5000,
        "SortOrder=Up",
        "SortOrder=",
        "NextToken=x",
        "NextToken=%00",
        "CreationTimeAfter=yesterday",
        "CreationTimeAfter=NaN",
        "CreationTimeAfter=1e400",
        "CreationTimeAfter=1e30",
        "CreationTimeBefore=-1e30",
        "CreationTimeBefore=",
        "CreationTimeBefore=99999-01-01",
    ):
        yield sign(runtime("bad query", "GET", f"/human-loops?FlowDefinitionArn={arn}&{extra}"))


def bad_signatures(names: Names) -> Iterator[Request]:
    """Unsigned, wrongly signed, changed after signing, late, early, for elsewhere."""
    requests = [
        rpc("signature", "DeleteWorkteam", {"WorkteamName": names.team}),
        rpc("signature", "DeleteFlowDefinition", {"FlowDefinitionName": names.flow}),
        runtime("signature", "DELETE", f"/human-loops/{names.loop}"),
        runtime("signature", "POST", "/human-loops/stop", {"HumanLoopName": names.loop}),
        runtime("signature", "POST", "/human-loops", valid_calls(names)["StartHumanLoop"]),
    ]
    for request in requests:
        yield request
        for way in (*WRONG_SIGNATURES, {"service": "sagemaker-a2i-runtime"}):
            yield sign(request, **way)
        yield from _tampered(sign(request))


def _tampered(good: Request) -> Iterator[Request]:
    header = good.headers["Authorization"]
    credential = header.partition("Credential=")[2].partition(",")[0]
    changes = {
        "Authorization": [
            "",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 x",
            header[:-1],
            header[:-64] + "0" * 64,
            header.upper(),
            header + "0",
            header.replace("SignedHeaders=", "SignedHeaders=x;"),
            "Basic eDp5",
            "Bearer x",
            header.replace("host;", ""),
            header.replace("x-amz-date", "date"),
            header.replace(credential, "/////"),
            header.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            header.replace("=", "\u00e9", 1),
        ],
        "x-amz-date": ["", "yesterday", "20200101T000000Z", "2020-01-01T00:00:00Z", "99999999T999999Z"],
        "host": ["elsewhere", "127.0.0.1:1"],
        "X-Amz-Content-SHA256": ["0" * 64, "UNSIGNED-PAYLOAD", "\u00e9"],
    }
    for name, values in changes.items():
        for value in values:
            yield Request(good.kind, good.method, good.path, good.body, good.headers | {name: value})
    yield Request(good.kind, good.method, good.path, good.body + b" ", good.headers)
    yield Request(good.kind, good.method, good.path + "?x=1", good.body, good.headers)
    yield Request(good.kind, good.method, good.path + "/", good.body, good.headers)
    if "X-Amz-Target" in good.headers:
        other = {"X-Amz-Target": "SageMaker.DeleteHumanTaskUi"}
        yield Request(good.kind, good.method, good.path, good.body, good.headers | other)
