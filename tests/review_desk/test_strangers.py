"""What people and programs without an account can do to a desk, and what they get to see of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.desk import Site
from tests.support.hostile.signing import Request, rpc, runtime, sign
from tests.support.reviewer import PASSWORD, box, boxes_answer

MIB = 1024 * 1024
TOKEN = "a token for monitoring"


@pytest.fixture(scope="module")
def private_site(tmp_path_factory, desk_s3) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("private")
    (folder / "token").write_text(f"{TOKEN}\n")
    options = ("--private-pages", "--monitoring-token-file", str(folder / "token"))
    site = Site(folder, desk_s3, options=options)
    try:
        site.desk.start()
        yield site
    finally:
        site.close()


def head_alone(site: Site, request: Request, *more: str) -> tuple[int, str]:
    """Send a request without its body; status and sentence of the answer."""
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in ({"Host": "127.0.0.1"} | request.headers).items()]
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, *more, "", ""]).encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        text = response.read().decode()
        assert response.headers["Connection"] == "close"
        # Nothing of the body is waited for: the connection is over.
        assert connection.recv(1) == b""
    with contextlib.suppress(ValueError):
        document = json.loads(text)
        return response.status, document.get("error") or document["message"]
    return response.status, text


ANSWER = "/worker/tasks/x/answer"
INVENTED = {"Authorization": "Bearer " + "A" * 43}
COOKIE = {"Cookie": "desk_session=" + "A" * 43, "X-CSRF-Token": "x"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TAGS = rpc("tags", "AddTags", {})
WITHOUT_A_SESSION = [
    (Request("", "POST", ANSWER), 401),
    (Request("", "PUT", ANSWER, headers=INVENTED), 401),
    (Request("", "POST", ANSWER, headers=COOKIE), 403),
    (Request("", "POST", "/worker/sessions"), 413),
    (Request("", "POST", "/worker/tasks/next"), 413),
    (Request("", "POST", "/sign-in", headers=FORM), 400),
    (Request("", "POST", "/account/password", headers=FORM), 401),
    (TAGS, 403),
    (sign(TAGS, key="AKIAUNKNOWN"), 403),
    (sign(TAGS, minutes=-60), 403),
    (sign(TAGS, region="eu-west-1"), 403),
    (runtime("", "POST", "/human-loops"), 403),
]


@pytest.mark.parametrize(("request_", "status"), WITHOUT_A_SESSION)
def test_no_long_body_is_waited_for_before_it_is_known_whose_it_is(site, request_, status):
    given, sentence = head_alone(site, request_, f"Content-Length: {MIB}")
    assert given == status
    assert " " in sentence


@pytest.mark.parametrize("headers", [{}, INVENTED])
def test_nor_one_of_unknown_length(site, headers):
    request = Request("", "POST", ANSWER, headers=headers)
    assert head_alone(site, request, "Transfer-Encoding: chunked")[0] == 401


def test_a_key_has_no_33_mib_of_tags_read(site):
    """Before, the tags were read, parsed and checked one by one, and nothing else was answered meanwhile."""
    status, sentence = head_alone(site, sign(TAGS), f"Content-Length: {33 * MIB}")
    assert status == 413
    assert "The request body for AddTags has at least 34603008 bytes, more than the 524288" in sentence


def test_who_sends_them_all_the_same_hears_why_not(site):
    body = json.dumps({"ResourceArn": "x", "Tags": [{"Key": "k", "Value": "v"}] * 1_200_000}).encode()
    request = sign(rpc("tags", "AddTags", body))
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request(request.method, request.path, request.body, request.headers)
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["__type"] == "RequestEntityTooLargeException"
    connection.close()


def test_a_person_may_send_a_long_answer_in_parts_or_at_once(flow):
    flow.start()
    flow.start()
    person = flow.reviewer()
    boxes = [box(left=side % 290, top=side % 190) for side in range(1000)]
    status, said = person.answer(person.next(), boxes)
    assert status == 200, said
    second = person.next()
    content = json.dumps({"answerContent": boxes_answer(boxes)}).encode()
    assert len(content) > 65_536
    parts = iter([content[:1000], content[1000:40_000], content[40_000:]])
    headers = {"Authorization": f"Bearer {person.token}", "Transfer-Encoding": "chunked"}
    connection = http.client.HTTPConnection("127.0.0.1", flow.site.port, timeout=30)
    path = f"/worker/tasks/{second['task']}/answer"
    connection.request("POST", path, parts, headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_eleven_hundred_half_open_connections_keep_nobody_from_working(flow):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    flow.start()
    with ExitStack() as stack:
        for _ in range(1100):
            half = socket.create_connection(("127.0.0.1", flow.site.port), timeout=30)
            stack.enter_context(half)
            half.sendall(b"POST /worker/sessions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        person = flow.reviewer()
        assert person.answer(person.next(), [box()])[0] == 200
        assert flow.site.get("/healthz")[0] == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:5800", "review-desk:5800"])
def test_names_that_no_site_can_have_are_answered(site, host):
    assert site.get("/sign-in", Host=host)[0] == 200


def test_a_name_of_another_site_is_not(site):
    status, text, _ = site.get("/flows", Host="desk.attacker.example:5800")
    assert status == 421
    assert "does not answer to the name 'desk.attacker.example'" in json.loads(text)["error"]
    assert "--allowed-host" in text
    assert site.get("/healthz", Host="10-0-0-7.pods.example")[0] == 200


def test_signed_calls_may_come_by_any_name(site):
    """Their signature covers the name, and no browser has a key."""
    request = rpc("", "ListFlowDefinitions", {"MaxResults": 1})
    request.headers["host"] = "desk.internal.example"
    signed = sign(request)
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request(signed.method, signed.path, signed.body, signed.headers)
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("path", ["/flows", "/flows/x", "/loops/x"])
def test_private_pages_send_visitors_to_the_sign_in_page(private_site, path):
    status, _, headers = private_site.get(path)
    assert status == 303
    assert headers["Location"].startswith("/sign-in?next=%2F")


@pytest.mark.parametrize("path", ["/metrics", "/_status"])
def test_private_counts_want_a_session_or_the_token(private_site, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        status, text, answered = private_site.get(path, **headers)
        assert status == 401
        assert "monitoring token" in json.loads(text)["error"]
        assert answered["WWW-Authenticate"] == "Bearer"
    assert private_site.get(path, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_private_pages_are_there_for_people_who_are_signed_in(private_site):
    flow = private_site.make_flow()
    person = flow.reviewer("ada")
    cookie = {"Cookie": f"desk_session={person.token}"}
    assert [private_site.get(path, **cookie)[0] for path in (f"/flows/{flow.name}", "/metrics")] == [200, 200]
    assert private_site.get("/healthz")[0] == 200
    assert person.call("/worker/sessions", {"name": "ada", "password": PASSWORD})[0] == 200
