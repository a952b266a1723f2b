"""A person is the reviewer of the demo: what they are told, what is counted, what is let go."""

from __future__ import annotations

import io
import json
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from include.demo.__main__ import _parser
from include.demo.demo_settings import DRAWN, FLOW, PHOTOS, demo_settings, for_person
from include.demo.person import Person
from include.demo.processes import Supervisor
from include.demo.progress import Progress
from include.demo.services import s3_client as demo_s3_client
from include.demo.services import s3_is_ready, s3_program
from include.demo.state import BUCKET, PERSON, REGION, State, open_state
from include.demo.upload import LAYOUT
from include.review_desk.storage.object_store import S3Store
from secondlook.settings import parse_settings
from tests.support.desk import ACCESS_KEY, SECRET_KEY, Flow, S3Server, Site, flow_request, s3_client, unique
from tests.support.lanes import starts
from tests.support.reviewer import PASSWORD, Reviewer
from tests.support.servers import ROOT, wait_for

NIGHT = "2026-01-05"


@pytest.mark.parametrize("schedule", [DRAWN, PHOTOS])
def test_a_person_is_asked_for_few_images_and_given_time(schedule):
    values = demo_settings(("RBC",), for_person(schedule))
    settings = parse_settings(values, "the demo")
    assert settings.review.limit <= 12
    assert settings.training.min_new_answers <= settings.review.limit / 2
    assert settings.review.timeout_seconds >= 12 * 3600
    simulated = parse_settings(demo_settings(("RBC",), schedule), "the demo")
    assert simulated.review.limit == schedule.review_limit
    assert simulated.review.timeout_seconds == schedule.review_timeout_seconds < 24 * 3600


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(("chosen", "expected"), [((), "simulated"), (("REVIEWERS=me",), "me")])
@pytest.mark.parametrize("target", ["demo", "up"])
def test_make_says_who_reviews(target, chosen, expected):
    command = ["make", "--dry-run", "--always-make", target, *chosen]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--reviewers '{expected}'" in shown
    assert _parser().parse_args([target, "--reviewers", expected]).reviewers == expected


def test_nobody_else_reviews(capsys):
    with pytest.raises(SystemExit):
        _parser().parse_args(["demo", "--reviewers", "you"])
    assert "choose from" in capsys.readouterr().err


@pytest.mark.usefixtures("programs")
def test_a_browser_can_load_what_the_desk_links_to(tmp_path):
    state = open_state(tmp_path / "state")
    with Supervisor(state.logs) as supervisor:
        supervisor.start(s3_program(state))
        supervisor.wait_until("s3", lambda: s3_is_ready(state), 60)
        s3 = demo_s3_client(state)
        s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b"pixels")
        store = S3Store(
            region=REGION,
            access_key_id=state.secrets.access_key,
            secret_access_key=state.secrets.secret_key,
            endpoint_url=state.url("s3"),
        )
        link = store.presign_get(BUCKET, "images/1.jpg", 60)
        # The Desk shows templates in a sandboxed frame, whose origin is null.
        for origin in (state.url("desk"), "null"):
            asked = urllib.request.Request(link, headers={"Origin": origin})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert answer.read() == b"pixels"
                assert answer.headers["Access-Control-Allow-Origin"] == origin
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link.partition("?")[0], timeout=30)


@pytest.fixture
@starts("server")
def desk(tmp_path):
    """A desk with the demo's flow definition, its reviewer and a bucket."""
    s3 = S3Server(tmp_path)
    site = Site(tmp_path, s3)
    try:
        s3.start()
        s3_client(s3.port).create_bucket(Bucket=BUCKET)
        site.desk.start()
        yield site
    finally:
        site.close()
        s3.stop()


def demo_state(site: Site, tmp_path) -> State:
    state = open_state(tmp_path / "state")
    secrets = replace(
        state.secrets,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        reviewers={PERSON: PASSWORD},
        ports=state.secrets.ports | {"desk": site.port, "s3": site.s3_port},
    )
    return replace(state, secrets=secrets)


def test_the_person_is_told_what_waits_and_what_was_declined_is_let_go(desk, tmp_path):
    other = desk.make_flow()
    desk.add_worker(other.team, PERSON)
    request = flow_request(FLOW, other.team, other.ui)
    request["OutputConfig"] = {"S3OutputPath": f"s3://{BUCKET}/reviews/"}
    arn = desk.client("sagemaker").create_flow_definition(**request)["FlowDefinitionArn"]
    flow = Flow(desk, FLOW, arn, other.team, other.ui, desk.client("sagemaker-a2i-runtime"))
    output = io.StringIO()
    person = Person(demo_state(desk, tmp_path), Progress(time.time(), output))
    person.greet(3)
    assert f"sign in as {PERSON} / {PASSWORD}" in output.getvalue()
    assert f"Open {desk.url}/" in output.getvalue()

    assert person.count(NIGHT) is None, "nobody has been asked yet"
    summary = json.dumps({"selected": 3}).encode()
    s3_client(desk.s3_port).put_object(Bucket=BUCKET, Key=LAYOUT.launch_summary(NIGHT), Body=summary)
    loops = [flow.start(unique("loop")) for _ in range(3)]
    assert person.count(NIGHT) == f"0 of 3 answered at {desk.url}/"
    assert output.getvalue().count("3 images wait for you") == 1

    reviewer = Reviewer(desk.url, PERSON)
    reviewer.answer(reviewer.next())
    assert wait_for(lambda: flow.status(loops[0]) == "Completed")
    assert person.count(NIGHT) == f"1 of 3 answered at {desk.url}/"
    assert [flow.status(loop) for loop in loops[1:]] == ["InProgress"] * 2

    for _ in range(2):
        reviewer.decline(reviewer.next())
    person.count(NIGHT)
    assert [flow.status(loop) for loop in loops] == ["Completed", "Stopped", "Stopped"]
    assert "the night continues without it" in output.getvalue()
