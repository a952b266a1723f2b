"""Whether the help alone leads a newcomer from nothing to an answered task."""

from __future__ import annotations

import re
import textwrap

from include.review_desk.__main__ import _parser
from tests.support.desk import BUCKET, unique
from tests.support.reviewer import PASSWORD, Reviewer, boxes_answer
from tests.support.servers import wait_for

from .test_pages_and_commands import run


def test_the_help_leads_to_an_answered_task(site, monkeypatch):
    """Its program runs as it stands, with this desk's address, bucket and team put in."""
    database, team, name = ("--database", site.database_url), unique("team"), unique("reviewer")
    create = (
        "create-key",
        *database,
        "--client",
        "newcomer",
        "--operations",
        "admin",
        "--team",
        team,
        "--bucket",
        BUCKET,
    )
    key = run(*create).stdout
    add = ("add-worker", *database, "--team", team, "--name", name, "--password-stdin")
    assert run(*add, stdin=PASSWORD).returncode == 0
    for line in key.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    text = _parser().format_help()
    setup = re.search(r"What to ask, once:\n(.*?)\nand for each image", text, re.DOTALL)
    each = re.search(r"on the team's page:\n(.*?)\nThe answers", text, re.DOTALL)
    assert setup
    assert each
    program = "\n".join(textwrap.dedent(part[1]) for part in (setup, each))
    for of_the_help, ours in (
        ("http://127.0.0.1:5800", site.url),
        ("my-bucket", BUCKET),
        ("night-team", team),
        ('"boxes"', f'"{unique("boxes")}"'),
        ("night-review", unique("flow")),
        ("image-1", loop := unique("loop")),
    ):
        assert of_the_help in program
        program = program.replace(of_the_help, ours)
    exec(compile(program, "help", "exec"), {})
    person = Reviewer(site.url, name)
    task = person.next()
    assert (task["loop"], task["title"]) == (loop, "Check the boxes")
    path = f"/worker/tasks/{task['task']}/answer"
    assert person.call(path, {"answerContent": boxes_answer([])})[0] == 200
    a2i = site.client("sagemaker-a2i-runtime")
    wait_for(lambda: a2i.describe_human_loop(HumanLoopName=loop)["HumanLoopStatus"] == "Completed")
