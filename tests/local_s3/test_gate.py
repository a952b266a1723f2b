"""S3 on this machine: signed requests only, and only the Desk's pages may read across origins."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.aws import REGION
from tests.support.hostile.sending import RAW, send_raw
from tests.support.lanes import starts
from tests.support.servers import S3_HEALTH, Server, free_port, s3_command

KEY, SECRET = "AKIALOCALS3TEST", "a secret of nobody"
BUCKET = "second-look-gate"
DESK = "http://127.0.0.1:8080"


def client_of(url, service="s3", key=KEY, secret=SECRET):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None
        ),
    )


@pytest.fixture(scope="module")
@starts("server")
def start(tmp_path_factory):
    """``start(folder)`` -> a server on a folder; it knows a bucket and one page."""
    servers = []

    def begin(folder):
        keys = folder / "keys.json"
        keys.write_text(json.dumps({KEY: SECRET}))
        port = free_port()
        command = s3_command(port, folder, keys, "--bucket", BUCKET, "--page-origin", DESK)
        servers.append(Server(command, f"http://127.0.0.1:{port}", folder / "log"))
        return servers[-1].wait_ready(S3_HEALTH)

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def server(start, tmp_path_factory):
    return start(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def s3(server):
    client = client_of(server.url)
    client.put_object(Bucket=BUCKET, Key="image.jpg", Body=b"pixels", ContentType="image/jpeg")
    return client


@dataclass
class Sent:
    status: int
    body: bytes
    headers: http.client.HTTPMessage


@dataclass
class Request:
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def signed(self, url, key=KEY, secret=SECRET):
        """With a Signature Version 4 in its headers."""
        request = AWSRequest(self.method, url + self.path, headers=dict(self.headers), data=self.body)
        S3SigV4Auth(Credentials(key, secret), "s3", REGION).add_auth(request)
        return Request(self.method, self.path, self.body, dict(request.headers))

    def send(self, url):
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        try:
            connection.request(self.method, self.path, self.body or None, self.headers)
            answer = connection.getresponse()
            return Sent(answer.status, answer.read(), answer.headers)
        finally:
            connection.close()


def everything(s3):
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return buckets, [(item["Key"], item["ETag"]) for item in listed]


UNSIGNED = [
    Request("PUT", f"/{BUCKET}/model.tar.gzX/../../../evil", b"x"),
    Request("PUT", f"/{BUCKET}/evil", b"x"),
    Request("PUT", "/evil-bucket"),
    Request("GET", f"/{BUCKET}/image.jpg"),
    Request("GET", f"/{BUCKET}/image.jpg?AWSAccessKeyId={KEY}&Expires=9999999999&Signature=x"),
    Request("GET", f"/{BUCKET}?list-type=2"),
    Request("GET", "/"),
    Request("HEAD", f"/{BUCKET}/image.jpg"),
    Request("DELETE", f"/{BUCKET}/image.jpg"),
    Request("DELETE", f"/{BUCKET}?cors"),
    Request("POST", f"/{BUCKET}?delete", b"<Delete><Object><Key>image.jpg</Key></Object></Delete>"),
    Request("POST", f"/{BUCKET}", b"--x", {"Content-Type": "multipart/form-data; boundary=x"}),
    Request("POST", "/_ministack/reset"),
    Request("POST", "/%5Fministack/reset"),
    Request("POST", "/_ministack/config", b"{}"),
    Request("GET", "/_ministack/sqs/messages?account=000000000000"),
    Request("GET", "/_ministack/ready"),
    Request("GET", "/_localstack/init"),
    Request("POST", "/?Action=CreateQueue&QueueName=evil"),
    Request("POST", "/", b"{}", {"X-Amz-Target": "AmazonSQS.ListQueues"}),
    Request("OPTIONS", f"/{BUCKET}/image.jpg"),
    Request("OPTIONS", "/_ministack/reset", b"", {"Origin": DESK, "Access-Control-Request-Method": "POST"}),
]


@pytest.mark.parametrize("request_", UNSIGNED, ids=lambda request: f"{request.method} {request.path[:60]}")
def test_an_unsigned_request_is_refused(server, s3, request_):
    before = everything(s3)
    answer = request_.send(server.url)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert request_.method == "HEAD" or b" " in answer.body
    assert everything(s3) == before


# Keys that MiniStack takes for its owner's, whose signatures it does not look at.
@pytest.mark.parametrize("key", ["test", "000000000000", "123456789012", "", KEY, "AKIAUNKNOWN"])
def test_a_made_up_signature_is_none(server, s3, key):
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/{moment[:8]}/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={'0' * 64}",
        "x-amz-date": moment,
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    }
    before = everything(s3)
    assert Request("PUT", f"/{BUCKET}/evil", b"x", headers).send(server.url).status == 403
    assert everything(s3) == before


@pytest.mark.parametrize(("key", "secret"), [("test", SECRET), ("000000000000", SECRET), (KEY, "wrong")])
@pytest.mark.parametrize("service", ["s3", "sqs"])
def test_another_key_pair_opens_nothing(server, key, secret, service):
    client = client_of(server.url, service, key, secret)
    with pytest.raises(ClientError) as caught:
        client.list_buckets() if service == "s3" else client.list_queues()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_is_changed_after_it_was_signed_is_refused(server, s3):
    good = Request("PUT", f"/{BUCKET}/signed", b"good").signed(server.url)
    before = everything(s3)
    changes = [
        Request(good.method, f"/{BUCKET}/elsewhere", good.body, good.headers),
        Request("DELETE", good.path, b"", good.headers),
        Request(good.method, good.path + "?acl", good.body, good.headers),
        Request(good.method, good.path, good.body, good.headers | {"x-amz-copy-source": "/x/y"}),
        Request(good.method, good.path, good.body, good.headers | {"X-Amz-Date": "20200101T000000Z"}),
    ]
    assert [change.send(server.url).status for change in changes] == [403] * len(changes)
    other = Request(good.method, good.path, b"evil", good.headers).send(server.url)
    assert (other.status, b"XAmzContentSHA256Mismatch" in other.body) == (400, True)
    assert everything(s3) == before
    assert good.send(server.url).status == 200
    assert s3.get_object(Bucket=BUCKET, Key="signed")["Body"].read() == b"good"


def test_an_old_signature_is_refused(server, monkeypatch):
    earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=20)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: earlier)
    request = AWSRequest("GET", f"{server.url}/{BUCKET}/image.jpg")
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
    signer.add_auth(request)
    answer = Request("GET", f"/{BUCKET}/image.jpg", b"", dict(request.headers)).send(server.url)
    assert (answer.status, b"RequestTimeTooSkewed" in answer.body) == (403, True)


def test_everything_that_the_project_does_with_s3_is_let_in(s3):
    body = b"\x00" * (9 * 1024 * 1024)
    s3.put_object(Bucket=BUCKET, Key="ünicode key+& 100%.bin", Body=body, Metadata={"night": "2026-03-02"})
    found = s3.get_object(Bucket=BUCKET, Key="ünicode key+& 100%.bin", Range="bytes=0-9")
    assert found["Body"].read() == body[:10]
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"2", IfNoneMatch="*")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "parts"})
    keys = [{"Key": key} for key in ("once", "parts", "copy", "ünicode key+& 100%.bin")]
    assert len(s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})["Deleted"]) == 4


def test_a_queue_is_signed_for_with_its_body(server):
    sqs = client_of(server.url, "sqs")
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="a loop has ended")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "a loop has ended"


class TestLinks:
    """Presigned links, by which browsers load images."""

    def link(self, s3, seconds=60, key="image.jpg"):
        parameters = {"Bucket": BUCKET, "Key": key}
        url = s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        address = urlsplit(url)
        return f"{address.path}?{address.query}"

    @pytest.mark.parametrize("origin", [DESK, "null"])
    def test_the_desks_pages_may_read(self, server, s3, origin):
        answer = Request("GET", self.link(s3), b"", {"Origin": origin}).send(server.url)
        assert (answer.status, answer.body) == (200, b"pixels")
        assert answer.headers["Access-Control-Allow-Origin"] == origin

    @pytest.mark.parametrize("origin", ["http://127.0.0.1:8081", "https://evil.example", "http://127.0.0.1"])
    def test_no_other_page_may(self, server, s3, origin):
        answer = Request("GET", self.link(s3), b"", {"Origin": origin}).send(server.url)
        assert answer.headers["Access-Control-Allow-Origin"] is None
        preflight = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        answer = Request("OPTIONS", f"/{BUCKET}/image.jpg", b"", preflight).send(server.url)
        assert answer.status == 403
        answer = Request("OPTIONS", "/no-such-bucket/x", b"", preflight).send(server.url)
        assert answer.headers["Access-Control-Allow-Origin"] is None

    def test_no_page_may_write(self, server):
        preflight = {"Origin": DESK, "Access-Control-Request-Method": "PUT"}
        answer = Request("OPTIONS", f"/{BUCKET}/image.jpg", b"", preflight).send(server.url)
        assert answer.status == 403

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("image.jpg", "other.jpg"),
            ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
            ("X-Amz-Expires=60", "X-Amz-Expires=x"),
            ("X-Amz-Expires=60", ""),
            (KEY, "test"),
            ("%2Fs3%2F", "%2Fiam%2F"),
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ],
    )
    def test_a_changed_link_opens_nothing(self, server, s3, old, new):
        link = self.link(s3)
        assert old in link
        assert Request("GET", link.replace(old, new)).send(server.url).status in (400, 403)

    def test_a_link_opens_nothing_more_than_it_was_made_for(self, server, s3):
        link = self.link(s3)
        assert Request("PUT", link, b"evil").send(server.url).status == 403
        assert (
            Request("GET", link, b"", {"Authorization": "AWS4-HMAC-SHA256 x"}).send(server.url).status == 403
        )

    def test_a_link_expires(self, server, s3):
        assert Request("GET", self.link(s3, seconds=-1)).send(server.url).status == 403


def test_a_websocket_is_refused(server):
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: 0123abcd.execute-api.localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 403")


def test_what_is_hardly_http_is_refused_and_changes_nothing(server, s3):
    before = everything(s3)
    for raw in RAW:
        answer = send_raw(urlsplit(server.url).port, raw)
        statuses = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
        # HTTP/2 is spoken here, and passes the same gate.
        assert all(status[:1] == b"4" or status == b"101" for status in statuses), (raw[:100], answer[:300])
    assert everything(s3) == before


def test_a_kill_costs_neither_objects_nor_the_rule(start, tmp_path):
    first = start(tmp_path)
    client_of(first.url).put_object(Bucket=BUCKET, Key="a", Body=b"x")
    first.kill()
    again = client_of(start(tmp_path).url)
    assert again.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"x"
    (rule,) = again.get_bucket_cors(Bucket=BUCKET)["CORSRules"]
    assert rule == {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": [DESK, "null"]}


def test_a_large_body_without_a_signature_is_not_waited_for(server):
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"PUT /{BUCKET}/big HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 403")


def test_the_hash_of_a_body_in_pieces_is_checked(server, s3):
    good = Request("PUT", f"/{BUCKET}/pieces", b"a" * 300_000).signed(server.url)
    digest = {name.lower(): value for name, value in good.headers.items()}["x-amz-content-sha256"]
    assert digest == hashlib.sha256(good.body).hexdigest()
    assert Request("PUT", good.path, b"a" * 299_999 + b"b", good.headers).send(server.url).status == 400
    assert good.send(server.url).status == 200
    s3.delete_object(Bucket=BUCKET, Key="pieces")
