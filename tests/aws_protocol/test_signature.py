"""Our verification agrees with botocore's signing, and with nothing that was changed afterwards."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from include.aws_protocol import ServiceError
from include.aws_protocol.signature import SignedRequest, verify

KEY, SECRET = "AKIDSIGN", "s3cr3t/+"
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
header_value = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def signed(path="/human-loops/a", query=(), headers=None, body=b"", secret=SECRET):
    url = f"http://127.0.0.1:5000{quote(path)}" + (f"?{urlencode(query)}" if query else "")
    request = AWSRequest(method="POST", url=url, headers=headers or {}, data=body)
    SigV4Auth(Credentials(KEY, secret), "sagemaker", "us-east-1").add_auth(request)
    parts = urlsplit(url)
    sent = {name.lower(): value for name, value in request.headers.items()} | {"host": parts.netloc}
    return SignedRequest("POST", parts.path, parts.query, sent, sha256(body))


def refusal(request, credentials=None, now=None):
    with pytest.raises(ServiceError) as caught:
        verify(request, credentials or {KEY: SECRET}, now)
    assert caught.value.status == 403
    return caught.value.code


@given(
    segments=st.lists(text.filter(lambda part: part not in (".", "..")), max_size=3),
    query=st.lists(st.tuples(text, text), max_size=3),
    attributes=header_value,
    body=st.binary(max_size=64),
)
def test_whatever_botocore_signs_is_accepted(segments, query, attributes, body):
    path = "/" + "/".join(segment.replace("/", "-") for segment in segments)
    request = signed(path, query, {"X-Amzn-SageMaker-Custom-Attributes": attributes}, body)
    identity = verify(request, {KEY: SECRET})
    assert (identity.access_key_id, identity.region, identity.service) == (KEY, "us-east-1", "sagemaker")


@given(body=st.binary(max_size=32), other=st.binary(max_size=32))
def test_a_changed_body_is_refused(body, other):
    if body == other:
        return
    request = signed(body=body)
    changed = SignedRequest(request.method, request.raw_path, request.query, request.headers, sha256(other))
    assert refusal(changed) == "InvalidSignatureException"


def test_parameters_are_sorted_by_name_before_value():
    verify(signed(query=[("a-b", "1"), ("a", "2"), ("a", "1")]), {KEY: SECRET})


def test_a_changed_path_query_method_or_header_is_refused():
    request = signed(query=[("a", "1")], headers={"x-amz-target": "SageMaker.ListModels"})
    for changed in (
        SignedRequest("DELETE", request.raw_path, request.query, request.headers),
        SignedRequest("POST", "/human-loops/b", request.query, request.headers),
        SignedRequest("POST", request.raw_path, "a=2", request.headers),
        SignedRequest(
            "POST",
            request.raw_path,
            request.query,
            {**request.headers, "x-amz-target": "SageMaker.DeleteModel"},
        ),
    ):
        assert refusal(changed) == "InvalidSignatureException"


def test_a_target_that_the_signature_leaves_out_is_refused():
    request = signed()
    smuggled = {**request.headers, "x-amz-target": "SageMaker.DeleteModel"}
    assert refusal(SignedRequest("POST", "/human-loops/a", "", smuggled)) == "InvalidSignatureException"


def test_a_declared_body_hash_must_be_that_of_the_body():
    headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    assert refusal(signed(headers=headers, body=b"x")) == "InvalidSignatureException"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_more_than_fifteen_minutes_off_is_refused(minutes):
    request = signed()
    now = datetime.now(UTC)
    assert refusal(request, now=now + timedelta(minutes=minutes)) == "InvalidSignatureException"
    verify(request, {KEY: SECRET}, now + timedelta(minutes=minutes * 14 / 16))


def test_wrong_secret_unknown_key_missing_and_malformed_header():
    assert refusal(signed(secret="other")) == "InvalidSignatureException"
    assert refusal(signed(), {"AKIDOTHER": SECRET}) == "UnrecognizedClientException"
    request = signed()
    bare = {name: value for name, value in request.headers.items() if name != "authorization"}
    assert refusal(SignedRequest("POST", "/", "", bare)) == "MissingAuthenticationTokenException"
    malformed = {**request.headers, "authorization": "Basic YTpi"}
    assert refusal(SignedRequest("POST", "/", "", malformed)) == "IncompleteSignatureException"
