"""A desk that browsers reach by https through a proxy: whom it believes, and what its cookies say."""

from __future__ import annotations

import json
import sys

import boto3
import pytest

from include.review_desk.clock import system_clock
from include.review_desk.people.workers import add_worker
from include.review_desk.storage.opening import open_database
from include.review_desk.web.origins import is_only_https
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY
from tests.support.lanes import starts
from tests.support.reviewer import PASSWORD
from tests.support.servers import ServerProcess, free_port

from .browser import Browser, field

PUBLIC = "https://desk.example"


@pytest.fixture(scope="module")
@starts("server")
def url(tmp_path_factory: pytest.TempPathFactory):
    folder, port = tmp_path_factory.mktemp("proxied"), free_port()
    database_url = f"sqlite:///{folder}/desk.db"
    keys = folder / "keys.json"
    keys.write_text(json.dumps({ACCESS_KEY: SECRET_KEY}))
    server = ServerProcess(
        [
            *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(port)),
            *("--database", database_url, "--s3-endpoint", "http://127.0.0.1:9", "--any-bucket"),
            *("--public-url", PUBLIC, "--behind-proxy", "127.0.0.1", "--credentials", str(keys)),
        ],
        {},
        f"http://127.0.0.1:{port}/healthz",
        folder / "desk.log",
    )
    try:
        server.start()
        database = open_database(database_url)
        add_worker(database, system_clock(), team="team", name="ada", password=PASSWORD)
        database.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def sign_in(url: str, password: str, address: str, origin: str = PUBLIC):
    """As the proxy would pass it on; cookies by hand, since a Secure one is not for plain http."""
    with Browser(url, headers={"X-Forwarded-For": address}) as browser:
        page = browser.get("/sign-in")
        assert "Secure" in page.headers["set-cookie"]
        cookie = page.headers["set-cookie"].split(";")[0]
        form = {"csrf": field(page.text, "csrf"), "name": "ada", "password": password}
        return browser.post("/sign-in", data=form, headers={"Cookie": cookie, "Origin": origin})


def test_the_proxys_clients_are_counted_apart(url):
    for _ in range(8):
        assert sign_in(url, "wrong", "192.0.2.1").status_code == 401
    assert sign_in(url, PASSWORD, "192.0.2.1").status_code == 429
    assert sign_in(url, PASSWORD, "192.0.2.2").status_code == 303


def test_cookies_and_origins_are_those_of_the_public_address(url):
    done = sign_in(url, PASSWORD, "192.0.2.3")
    cookies = [line for line in done.headers.get_list("set-cookie") if "desk_session=" in line]
    [session] = cookies
    assert session.startswith("__Host-desk_session=")
    assert ("Secure" in session, "Path=/" in session, "Domain" in session) == (True, True, False)
    assert done.headers["strict-transport-security"] == "max-age=31536000"
    assert sign_in(url, PASSWORD, "192.0.2.3", origin="http://desk.example").status_code == 403
    assert sign_in(url, PASSWORD, "192.0.2.3", origin="https://evil.example").status_code == 403


def test_a_cookie_that_a_neighbour_planted_is_not_read(url):
    """Any host below the same domain can set desk_session for us, but no cookie named __Host-."""
    done = sign_in(url, PASSWORD, "192.0.2.4")
    [session] = [line for line in done.headers.get_list("set-cookie") if "desk_session=" in line]
    token = session.split(";")[0].partition("=")[2]
    with Browser(url) as browser:
        for name, status in (("desk_session", 303), ("__Host-desk_session", 200)):
            assert browser.get("/answers", headers={"Cookie": f"{name}={token}"}).status_code == status
        own = {"Cookie": f"__Host-desk_session={token}"}
        csrf = field(browser.get("/answers", headers=own).text, "csrf")
        out = browser.post("/sign-out", data={"csrf": csrf}, headers=own | {"Origin": PUBLIC})
        [gone] = out.headers.get_list("set-cookie")
        # A browser ignores it without Secure, and the session would stay.
        assert gone.startswith('__Host-desk_session=""; ')
        assert ("Secure" in gone, "Max-Age=0" in gone) == (True, True)


@pytest.mark.parametrize(
    ("public_url", "only"),
    [
        ("https://desk.example", True),
        ("http://desk.example", False),
        ("https://localhost:5800", False),
        ("https://desk.localhost", False),
    ],
)
def test_browsers_are_told_to_use_https_only_where_that_harms_no_other_program(public_url: str, only: bool):
    assert is_only_https(public_url) == only


def test_https_before_sub_domain_is_the_portal_as_notebooks_for_aws_print_it(url):
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    sagemaker = boto3.client("sagemaker", endpoint_url=url, region_name=REGION, **keys)
    team = sagemaker.describe_workteam(WorkteamName="team")["Workteam"]
    assert "https://" + team["SubDomain"] == PUBLIC
