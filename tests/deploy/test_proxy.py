"""The proxy's configuration on a real Caddy, with a Review Desk behind it."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from include.demo.machine import LOOPBACK, clean_environment, free_ports
from tests.support.lanes import starts
from tests.support.servers import wait_for

from .compose_file import DEPLOY, ROOT

CADDY = shutil.which("caddy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
CADDYFILE = DEPLOY / "Caddyfile"
MIB = 1024 * 1024


@dataclass
class Proxied:
    public: httpx.Client
    inside: httpx.Client
    url: str


def answers(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        assert process.poll() is None, log.read_text()[-2000:]
        return False


@pytest.fixture(scope="module")
@starts("server")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if CADDY is None:
        pytest.skip("needs caddy")
    folder = tmp_path_factory.mktemp("proxy")
    desk_port, port, check_port = free_ports(3)
    public = f"https://localhost:{port}"
    log = folder / "log"
    settings = folder / "Caddyfile"
    settings.write_text(CADDYFILE.read_text().replace(":8081", f":{check_port}"))
    desk = [
        *(sys.executable, "-m", "include.review_desk", "serve", "--port", str(desk_port)),
        *(
            "--database",
            f"sqlite:///{folder / 'desk.db'}",
            "--s3-endpoint",
            "http://127.0.0.1:9",
            "--any-bucket",
        ),
        *("--public-url", public, "--behind-proxy", f"{LOOPBACK}/32"),
    ]
    given = {
        "DESK_PUBLIC_URL": public,
        "DESK_UPSTREAM": f"{LOOPBACK}:{desk_port}",
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HOME": str(folder),
    }
    caddy = [CADDY, "run", "--adapter", "caddyfile", "--config", str(settings)]
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    processes: list[subprocess.Popen[bytes]] = []
    with (
        log.open("wb") as output,
        httpx.Client(base_url=public, verify=trust, timeout=60) as outside,
        httpx.Client(base_url=f"http://{LOOPBACK}:{desk_port}", timeout=60) as inside,
    ):
        try:
            for command, environment, client in (
                (desk, clean_environment(ROOT), inside),
                (caddy, os.environ | given, outside),
            ):
                process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
                processes.append(process)
                wait_for(partial(answers, client, process, log))
            yield Proxied(outside, inside, public)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def test_people_sign_in_through_it(proxied):
    page = proxied.public.get("/sign-in")
    assert page.status_code == 200
    assert "Secure" in page.headers["set-cookie"]


def test_addresses_that_others_put_into_the_header_are_not_passed_on(proxied):
    """A header does not hide who guesses passwords: the proxy writes its own."""
    guess = {"name": "ada", "password": "a wrong password"}
    statuses = [
        proxied.public.post(
            "/worker/sessions", json=guess, headers={"X-Forwarded-For": f"192.0.2.{number}"}
        ).status_code
        for number in range(9)
    ]
    assert statuses == [401] * 8 + [429]


@pytest.mark.parametrize("path", ["/metrics", "/_status"])
def test_counts_are_for_the_inside(proxied, path):
    assert proxied.public.get(path).status_code == 404
    assert proxied.inside.get(path).status_code == 200


def test_a_request_beyond_the_largest_is_refused(proxied):
    assert proxied.public.post("/worker/sessions", content=bytes(41 * MIB)).status_code == 413
