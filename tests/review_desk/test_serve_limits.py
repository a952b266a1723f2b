"""The options that bound what strangers can do."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from include.review_desk.__main__ import _parser
from include.review_desk.commands import serve_limits
from include.review_desk.errors import DeskSetupError
from include.review_desk.web.exposure import Exposure
from include.review_desk.web.status import Health


def options(*given: str):
    return _parser().parse_args(["serve", "--database", "sqlite:////tmp/desk.db", *given])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], ()),
        (["--public-url", "https://Desk.example.org:8443"], ("desk.example.org",)),
        (["--host", "0.0.0.0"], None),
        (["--host", "0.0.0.0", "--public-url", "https://desk.example.org"], ("desk.example.org",)),
        (["--host", "0.0.0.0", "--allowed-host", "Desk.lan"], ("desk.lan",)),
        (["--public-url", "https://a.example", "--allowed-host", "b.example"], ("b.example", "a.example")),
        (["--public-url", "https://a.example", "--allowed-host", "*"], None),
    ],
)
def test_the_names_that_a_desk_answers_to(given, names):
    assert serve_limits.exposure(options(*given)).allowed_hosts == names


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("desk.example.org", None),
        ("DESK.EXAMPLE.ORG:443", None),
        ("desk.example.org.", None),
        ("127.0.0.1:5800", None),
        ("[2001:db8::1]", None),
        ("localhost", None),
        ("review-desk:5800", None),
        ("", None),
        ("other.example.org", "other.example.org"),
        ("desk.example.org.attacker.example", "desk.example.org.attacker.example"),
        ("127.0.0.1.attacker.example", "127.0.0.1.attacker.example"),
        ("user@attacker.example", "attacker.example"),
    ],
)
def test_which_hosts_are_refused(host, refused):
    scope = {"headers": [(b"host", host.encode())]}
    assert Exposure(allowed_hosts=("desk.example.org",)).refused_host(scope) == refused
    assert Exposure(allowed_hosts=None).refused_host(scope) is None


def test_a_request_without_a_host_is_an_old_program():
    assert Exposure(allowed_hosts=()).refused_host({"headers": []}) is None


def test_a_monitoring_token_must_be_long_and_there(tmp_path):
    file = tmp_path / "token"
    with pytest.raises(DeskSetupError, match="cannot be read"):
        serve_limits.exposure(options("--private-pages", "--monitoring-token-file", str(file)))
    file.write_text("short")
    with pytest.raises(DeskSetupError, match="fewer than 16 characters"):
        serve_limits.exposure(options("--private-pages", "--monitoring-token-file", str(file)))
    file.write_text("a token that is long\n")
    given = serve_limits.exposure(options("--private-pages", "--monitoring-token-file", str(file)))
    assert given.monitoring_token == "a token that is long"


def test_connections_are_those_of_the_options_and_of_the_proxy():
    given = options("--max-connections", "100", "--behind-proxy", "10.0.0.0/8")
    connections = serve_limits.connections(given)
    assert (connections.limits.connections, connections.limits.connections_per_address) == (100, 100)
    assert connections._is_proxy("10.1.2.3")
    assert not connections._is_proxy("192.0.2.1")


@pytest.mark.parametrize("number", ["0", "-1", "many", "1000000"])
def test_a_number_of_connections_that_makes_no_sense_is_refused(number, capsys):
    with pytest.raises(SystemExit):
        options("--max-connections", number)
    assert "must be a number from 1 to 999999" in capsys.readouterr().err


async def test_health_looks_once_for_all_who_ask():
    looked, go_on = [], threading.Event()

    def look():
        looked.append(1)
        go_on.wait(10)
        return {"status": "ok"}

    health = Health(look)
    asking = [asyncio.create_task(health.answer(None)) for _ in range(5)]
    await asyncio.sleep(0)
    go_on.set()
    answers = await asyncio.gather(*asking)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert looked == [1]


async def test_a_look_that_takes_too_long_is_bad_news(monkeypatch):
    monkeypatch.setattr("include.review_desk.web.status._HEALTH_SECONDS", 0.01)
    go_on = threading.Event()

    def look():
        go_on.wait(10)
        return {"status": "ok"}

    health = Health(look)
    answer = await health.answer(None)
    go_on.set()
    assert answer.status_code == 503
    assert json.loads(answer.body)["database"] == "slow"
