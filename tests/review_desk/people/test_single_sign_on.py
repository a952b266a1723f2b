"""Sign-in by OpenID Connect, against a provider that is a server of its own and may lie."""

from __future__ import annotations

import argparse
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from include.review_desk.clock import system_clock
from include.review_desk.commands import sign_in_options
from include.review_desk.errors import DeskSetupError
from include.review_desk.people.accounts import remove_worker
from include.review_desk.people.workers import add_worker
from include.review_desk.storage import schema
from include.review_desk.storage.opening import open_database
from tests.review_desk.people.commands import run
from tests.support.desk import unique
from tests.support.lanes import starts
from tests.support.reviewer import PASSWORD
from tests.support.servers import ServerProcess, free_port

from .browser import Browser, problem
from .provider import CLIENT_ID, CLIENT_SECRET, Provider


@pytest.fixture(scope="module")
@starts("server")
def running_provider():
    provider = Provider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    running_provider.reset()
    running_provider.person["sub"] = unique("sub")
    return running_provider


class Desk:
    """A desk that knows the provider."""

    def __init__(self, folder, issuer: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = f"sqlite:///{folder}/desk.db"
        secret = folder / "secret"
        secret.write_text(CLIENT_SECRET + "\n")
        self.server = ServerProcess(
            [
                *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(self.port)),
                *("--database", self.database_url, "--s3-endpoint", "http://127.0.0.1:9", "--any-bucket"),
                *("--oidc-issuer", issuer, "--oidc-client-id", CLIENT_ID),
                *("--oidc-client-secret-file", str(secret), "--oidc-name", "Works login"),
            ],
            {},
            f"{self.url}/healthz",
            folder / "desk.log",
        )


@pytest.fixture(scope="module")
def desk(running_provider: Provider, tmp_path_factory: pytest.TempPathFactory):
    desk = Desk(tmp_path_factory.mktemp("oidc"), running_provider.issuer)
    try:
        desk.server.start()
        desk.database = open_database(desk.database_url)
        yield desk
        desk.database.close()
    finally:
        desk.server.stop()


@pytest.fixture
def browser(desk: Desk):
    with Browser(desk.url) as browser:
        yield browser


def answer_of_provider(browser: Browser, next_path: str = "/") -> str:
    """Begin a sign-in and let the provider answer: the address that it sends the browser to."""
    start = browser.get("/oidc/start", params={"next": next_path})
    assert start.status_code == 303, start.text
    return httpx.get(start.headers["location"]).headers["location"]


def sign_in(browser: Browser, next_path: str = "/") -> httpx.Response:
    return browser.get(answer_of_provider(browser, next_path))


def teams_of(desk: Desk, name: str) -> list[str]:
    members, teams, workers = schema.team_members, schema.workteams, schema.workers
    query = (
        select(teams.c.name)
        .join(members, members.c.team_id == teams.c.id)
        .join(workers, workers.c.id == members.c.worker_id)
        .where(workers.c.name == name)
        .order_by(teams.c.name)
    )
    with desk.database.read() as connection:
        return list(connection.scalars(query))


def test_the_first_sign_in_makes_the_account_and_the_next_finds_it(desk, browser, provider):
    name = provider.person["preferred_username"] = unique("ada")
    assert "Works login" in browser.get("/sign-in?next=/answers").text
    done = sign_in(browser, "/answers")
    assert (done.status_code, done.headers["location"]) == (303, "/answers")
    assert name in browser.get("/answers").text
    assert "HttpOnly" in done.headers["set-cookie"]
    provider.person["preferred_username"] = "renamed"
    with Browser(desk.url) as again:
        assert sign_in(again).status_code == 303
        assert name in again.get("/answers").text
        assert "password" not in again.get("/account").text


def test_teams_follow_the_groups_of_the_token_and_other_membership_stays(desk, browser, provider):
    name = provider.person["preferred_username"] = unique("ada")
    mine, other, given = unique("mine"), unique("other"), unique("given")
    for team in (mine, other, given):
        add_worker(desk.database, system_clock(), team=team, name="somebody", password=PASSWORD)
    provider.person["groups"] = [mine, other, "no team has this"]
    sign_in(browser)
    assert teams_of(desk, name) == sorted([mine, other])
    add_worker(desk.database, system_clock(), team=given, name=name, password=None)
    provider.person["groups"] = [mine]
    sign_in(browser)
    assert teams_of(desk, name) == sorted([given, mine])
    provider.in_userinfo = {"groups"}
    provider.person["groups"] = other
    sign_in(browser)
    assert teams_of(desk, name) == sorted([given, other])
    provider.in_userinfo = set()
    del provider.person["groups"]
    sign_in(browser)
    assert teams_of(desk, name) == [given]


def test_a_name_that_is_taken_gives_nobody_the_account(desk, browser, provider):
    name = unique("boss")
    add_worker(desk.database, system_clock(), team="team", name=name, password=PASSWORD, lead=True)
    provider.person["preferred_username"] = name
    assert sign_in(browser).status_code == 303
    assert f"{name} (2)" in browser.get("/account").text
    assert "lead" not in browser.get("/account").text
    with Browser(desk.url) as rightful:
        assert rightful.sign_in(name, PASSWORD).status_code == 303
        assert "(lead)" in rightful.get("/account").text


def test_an_account_that_chose_its_name_is_not_given_somebody_elses_team(desk, browser, provider):
    name = provider.person["preferred_username"] = unique("boss")
    assert sign_in(browser).status_code == 303
    command = (
        "add-worker",
        "--database",
        desk.database_url,
        "--team",
        unique("team"),
        "--name",
        name,
        "--lead",
    )
    refused = run(*command, "--password-stdin", stdin=PASSWORD)
    assert (refused.returncode, "uses single sign-on" in refused.stderr) == (2, True)
    assert teams_of(desk, name) == []
    assert run(*command, "--single-sign-on").returncode == 0
    assert "(lead)" in browser.get("/account").text
    with Browser(desk.url) as other:
        assert other.sign_in(name, PASSWORD).status_code == 401
    nobody = run(*command[:-3], "--name", unique("nobody"), "--single-sign-on")
    assert (nobody.returncode, "no account" in nobody.stderr) == (2, True)


def test_an_account_without_password_has_none_to_guess(desk, browser, provider):
    name = provider.person["preferred_username"] = unique("ada")
    sign_in(browser)
    with Browser(desk.url) as guesser:
        for guess in ("None", "", "null"):
            assert guesser.sign_in(name, guess).status_code == 401


def test_a_closed_account_stays_closed(desk, browser, provider):
    name = provider.person["preferred_username"] = unique("ada")
    sign_in(browser)
    remove_worker(desk.database, system_clock(), name)
    assert browser.get("/answers").status_code == 303
    refused = sign_in(browser)
    assert (refused.status_code, "closed" in problem(refused)) == (401, True)


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://other.example"},
        {"aud": "another client"},
        {"aud": ["another client", CLIENT_ID], "azp": "another client"},
        {"exp": 1_600_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": 42},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_signs_nobody_in(browser, provider, lies):
    provider.lies = lies
    refused = sign_in(browser)
    assert refused.status_code == 502
    assert "Works login sent a token" in problem(refused)
    assert browser.session is None


@pytest.mark.parametrize("signature", ["none", "HS256", "another key"])
def test_a_token_that_the_provider_did_not_sign_signs_nobody_in(browser, provider, signature: str):
    provider.signature = signature
    refused = sign_in(browser)
    assert (refused.status_code, browser.session) == (502, None)
    assert "not valid" in problem(refused)


def test_the_providers_keys_may_change(browser, provider):
    assert sign_in(browser).status_code == 303
    provider.rotate_key()
    assert sign_in(browser).status_code == 303


def test_an_answer_serves_once_and_only_in_the_browser_that_asked(desk, browser, provider):
    address = answer_of_provider(browser)
    with Browser(desk.url) as victim:
        refused = victim.get(address)
        assert (refused.status_code, victim.session) == (400, None)
        assert "another browser" in problem(refused)
        answer_of_provider(victim)
        assert victim.get(address).status_code == 400, "the state of another attempt"
    attempt = browser.cookies["desk_oidc"]
    assert browser.get(address).status_code == 303
    with Browser(desk.url) as replay:
        assert replay.get(address).status_code == 400
        replay.cookies.set("desk_oidc", attempt)
        again = replay.get(address)
        assert (again.status_code, replay.session) == (502, None)
        assert "did not accept" in problem(again)


def test_a_changed_state_or_a_code_of_another_attempt_is_refused(desk, browser, provider):
    address = answer_of_provider(browser)
    state = parse_qs(urlsplit(address).query)["state"][0]
    assert browser.get(address.replace(state, "x" * len(state))).status_code == 400
    with Browser(desk.url) as attacker:
        stolen = parse_qs(urlsplit(answer_of_provider(attacker)).query)["code"][0]
    address = answer_of_provider(browser)
    mine = parse_qs(urlsplit(address).query)["code"][0]
    refused = browser.get(address.replace(mine, stolen))
    assert (refused.status_code, browser.session) == (502, None), "the code belongs to another verifier"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"iss": "https://other.example"}, "does not come from Works login"),
        ({"error": "access_denied"}, "refused the sign-in (access_denied)"),
        ({"error": "<script>alert(1)</script>"}, "refused the sign-in (unknown error)"),
        ({"code": ""}, "start again"),
    ],
    ids=str,
)
def test_what_the_provider_refuses_or_mixes_up_is_one_sentence(browser, provider, answer, sentence):
    provider.answer_lies = answer
    refused = sign_in(browser)
    assert refused.status_code in (400, 502)
    assert sentence in problem(refused)
    assert "<script>alert" not in refused.text


def test_signing_in_leads_nowhere_but_into_the_desk(browser, provider):
    assert sign_in(browser, "//evil.example/").headers["location"] == "/"


@pytest.mark.usefixtures("programs")
def test_a_provider_that_is_away_or_not_what_it_says_leaves_password_sign_in(tmp_path, provider):
    desk = Desk(tmp_path, provider.issuer)
    desk.server.start()
    try:
        database = open_database(desk.database_url)
        add_worker(database, system_clock(), team="team", name="ada", password=PASSWORD)
        database.close()
        with Browser(desk.url) as browser:
            provider.away = True
            away = browser.get("/oidc/start?next=/answers")
            assert (away.status_code, "does not answer" in problem(away)) == (502, True)
            provider.away = False
            for lies in (
                {"issuer": "https://other.example"},
                {"token_endpoint": "http://192.0.2.1/token"},
                {"jwks_uri": None},
                # The access token would cross the network in the clear.
                {"userinfo_endpoint": "http://192.0.2.1/me"},
            ):
                provider.metadata_lies = lies
                wrong = browser.get("/oidc/start")
                assert (wrong.status_code, problem(wrong).startswith("Works login")) == (502, True)
            assert browser.sign_in("ada", PASSWORD).status_code == 303
            browser.cookies.clear()
            provider.metadata_lies = {}
            assert sign_in(browser).status_code == 303
    finally:
        desk.server.stop()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--oidc-issuer", "https://login.example"), "--oidc-client-id"),
        (("--oidc-issuer", "http://login.example"), "https://"),
        (("--oidc-issuer", "https://login.example", "--oidc-scopes", "email"), "openid"),
    ],
)
def test_a_provider_that_cannot_be_used_is_one_sentence(tmp_path, options: tuple[str, ...], part: str):
    secret = tmp_path / "secret"
    secret.write_text("s")
    rest = (
        () if part.startswith("--") else ("--oidc-client-id", "a", "--oidc-client-secret-file", str(secret))
    )
    parser = argparse.ArgumentParser()
    sign_in_options.add_oidc_options(parser.add_argument_group())
    with pytest.raises(DeskSetupError, match=part) as caught:
        sign_in_options.provider(parser.parse_args([*options, *rest]))
    assert caught.value.message.endswith(".")
