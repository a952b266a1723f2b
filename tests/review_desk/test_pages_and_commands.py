"""Pages that links lead to, and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.desk import unique
from tests.support.reviewer import PASSWORD, Reviewer, box
from tests.support.servers import ROOT, free_port


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "include.review_desk", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_loops_page_tells_where_it_stands_and_names_nobody(flow):
    loop = flow.start()
    person = flow.reviewer("Very Personal Name")
    status, page, headers = flow.site.get(f"/loops/{loop}")
    assert status == 200
    assert "InProgress" in page
    assert f"/flows/{flow.name}" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    person.answer(person.next(), [box()])
    flow.ended(loop)
    page = flow.site.get(f"/loops/{loop}")[1]
    assert "Completed" in page
    assert "output.json" in page
    assert person.name not in page


def test_a_flows_page_lists_its_loops(flow):
    loops = [flow.start(), flow.start(taskObject="<b>")]
    page = flow.site.get(f"/flows/{flow.name}")[1]
    assert all(f"/loops/{loop}" in page for loop in loops)
    assert "Failed" in page
    assert "Check the boxes" in page
    assert f"/flows/{flow.name}" in flow.site.get("/flows")[1]
    person, address = flow.reviewer(), f"/loops/{loops[1]}"
    failed = flow.site.get(address, Cookie=f"desk_session={person.token}")[1]
    assert "&lt;b&gt;" in failed
    assert "<b>&quot;" not in failed
    flow.site.add_worker(unique("other-team"), other := unique("other"))
    stranger = Reviewer(flow.site.url, other)
    for shown in (flow.site.get(address), flow.site.get(address, Cookie=f"desk_session={stranger.token}")):
        assert "ValidationError" in shown[1]
        assert "&lt;b&gt;" not in shown[1], "what the reason quotes of the input is for the team only"


@pytest.mark.parametrize(
    "path", ["/loops/none", "/flows/none", "/loops/<script>", "/templates/x", "/other", "/worker/x"]
)
def test_what_is_not_there_is_404_and_says_so(site, path: str):
    status, page, _ = site.get(path.replace("<", "%3C").replace(">", "%3E"))
    assert status == 404
    assert page
    assert "<script>" not in page


def test_the_style_sheet_is_the_desks_own(site):
    status, css, headers = site.get("/static/desk.css")
    assert status == 200
    assert headers["Content-Type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in css
    assert "http" not in css


def test_health_and_wrong_methods(site):
    status, body, _ = site.get("/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "database": "ok", "stopped_threads": []})
    assert site.get("/worker/sessions")[0] == 405


def test_logs_are_json_without_names_or_tokens(flow):
    person = flow.reviewer("Somebody Unmistakable")
    flow.start()
    task = person.next()
    person.answer(task, [box()])
    log = flow.site.desk.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"time", "level", "message"} <= set(lines[0])
    assert f"The Review Desk runs on {flow.site.url}" in [line["message"] for line in lines]
    assert any(line.get("operation") == "StartHumanLoop" for line in lines)
    assert any(line.get("route") == "/worker/tasks/{task}/answer" for line in lines)
    for secret in (person.name, person.token, task["task"], PASSWORD):
        assert secret not in log


def test_a_worker_added_by_command_can_sign_in_and_change_the_password(site):
    name, database = unique("person"), ("--database", site.database_url)
    add = ("add-worker", *database, "--team", unique("team"), "--name", name, "--password-stdin")
    first = run(*add, stdin="first password\n")
    assert (first.returncode, first.stdout.split()[0]) == (0, "Added")
    Reviewer(site.url, name, "first password")
    second = run(*add, stdin="second password")
    assert (second.returncode, second.stdout.split()[0]) == (0, "Updated")
    Reviewer(site.url, name, "second password")


@pytest.mark.parametrize(
    ("name", "team", "password", "part"),
    [
        ("ada", "team", "short", "password must have 8"),
        ("", "team", PASSWORD, "name must be"),
        ("a\nb", "team", PASSWORD, "name must be"),
        ("ada", "-team", PASSWORD, "team name"),
        ("ada", "", PASSWORD, "team name"),
    ],
)
def test_a_wrong_account_is_one_sentence(site, name: str, team: str, password: str, part: str):
    options = ("--database", site.database_url, f"--team={team}", "--name", name, "--password-stdin")
    result = run("add-worker", *options, stdin=password)
    assert result.returncode == 2
    assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_server_on_the_same_database_is_refused(site):
    credentials = str(site.folder / "keys.json")
    second = run(
        *("serve", "--port", str(free_port()), "--database", site.database_url),
        *("--credentials", credentials, "--any-bucket"),
    )
    assert second.returncode == 2
    assert "Another Review Desk serves this database" in second.stderr


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("{}", "must be like"), ("[1]", "must be like")],
)
def test_credentials_that_cannot_be_used_are_one_sentence(tmp_path, content: str | None, part: str):
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    result = run(
        "serve", "--database", f"sqlite:///{tmp_path}/d.db", "--any-bucket", "--credentials", str(path)
    )
    assert result.returncode == 2
    assert part in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("programs")
def test_help_says_how_to_start():
    assert "--credentials" in run("serve", "--help").stdout
    text = run("--help").stdout
    assert "endpoint_url" in text
    assert "add-worker" in text
