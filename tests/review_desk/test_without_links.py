"""A desk that cannot sign links to S3: people still see their tasks, and what they answer is saved."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from include.review_desk.clock import system_clock
from include.review_desk.commands.keys import desk_key
from include.review_desk.commands.serve_options import image_origins
from include.review_desk.errors import LinkUnavailable, RenderFailure
from include.review_desk.people.api_keys import create_key
from include.review_desk.worker_templates.links import presigner
from include.review_desk.worker_templates.rendering import NO_LINK, Renderer
from tests.support.desk import Flow, S3Server, Site
from tests.support.reviewer import box

IMAGE = "<img src='{{ task.input.taskObject | grant_read_access }}'>"


class NoStore:
    """A store that cannot sign."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def presign_get(self, _bucket: str, _key: str, _seconds: int) -> str:
        raise self.error

    def put_json(self, _bucket: str, _key: str, _body: bytes) -> None:
        raise AssertionError("nothing is written while a page is rendered")


def renderer(error: Exception | None = None) -> Renderer:
    return Renderer(presigner(NoStore(error or NoCredentialsError()), ("mine",)))


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "late"}}, "AssumeRole"),
        RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    ],
)
def test_a_page_without_links_says_why_and_keeps_the_rest(error: Exception):
    page = renderer(error).page(f"<p>What is it?</p>{IMAGE}{IMAGE}", {"taskObject": "s3://mine/a.png"})
    assert page.html == f"<p>What is it?</p><img src='{NO_LINK}'><img src='{NO_LINK}'>"
    [sentence] = page.link_faults
    assert f"cannot sign links to S3 ({type(error).__name__})" in sentence


def test_only_a_signature_that_is_wanting_is_forgiven_when_a_loop_starts():
    desk = renderer()
    desk.try_out(IMAGE, {"taskObject": "s3://mine/a.png"})
    for wrong in ("s3://other/a.png", "https://example.org/mine/a.png"):
        with pytest.raises(RenderFailure) as caught:
            desk.try_out(IMAGE + IMAGE, {"taskObject": wrong})
        assert not isinstance(caught.value, LinkUnavailable)
    with pytest.raises(LinkUnavailable):
        desk.render(IMAGE, {"taskObject": "s3://mine/a.png"})


def test_what_an_answer_is_checked_against_needs_nothing_of_s3():
    page = renderer().render_unlinked(IMAGE, {"taskObject": "s3://other/a.png"})
    assert page == f"<img src='{NO_LINK}'>"


def _without_credentials(folder: Path) -> dict[str, str]:
    return {"AWS_CONFIG_FILE": str(folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none")}


def _with_expired_credentials(folder: Path) -> dict[str, str]:
    """Temporary credentials that ended long ago, and nobody renews them."""
    old = {"Version": 1, "AccessKeyId": "AKIAOLD", "SecretAccessKey": "x", "SessionToken": "y"}
    answer = folder / "expired.json"
    answer.write_text(json.dumps(old | {"Expiration": "2020-01-01T00:00:00Z"}))
    config = folder / "config"
    config.write_text(f"[default]\ncredential_process = /bin/cat {answer}\n")
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none")}


def _with_wrong_credentials(_folder: Path) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "wrong"}


def test_answers_are_saved_while_the_desks_credentials_are_missing_expired_or_wrong(
    tmp_path: Path, desk_s3: S3Server
):
    site = Site(tmp_path, desk_s3)
    key_id, secret = create_key(
        site.database, desk_key(site.database, None), system_clock(), client="the program that asks"
    )
    usual = (site.desk.command, site.desk.environment)
    site.desk.start()
    try:
        flow = site.make_flow()
        loops = [flow.start() for _ in range(3)]
        person = flow.reviewer()
        task = person.next()
        # Without --credentials the desk signs with boto3's usual ones alone.
        at = site.desk.command.index("--credentials")
        site.desk.command = [*site.desk.command[:at], *site.desk.command[at + 2 :]]
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        own |= {"PYTHONPATH": usual[1]["PYTHONPATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        for credentials, told in (
            (_with_wrong_credentials, None),
            (_with_expired_credentials, "RuntimeError"),
            (_without_credentials, "NoCredentialsError"),
        ):
            site.desk.stop()
            site.desk.environment = own | credentials(tmp_path)
            site.desk.start()
            status, page, _ = site.get(f"/frames/{task['task']}", Cookie=f"desk_session={person.token}")
            assert (status, "crowd-bounding-box" in page) == (200, True)
            assert (f'src="{NO_LINK}"' in page) == (told is not None)
            assert told is None or f"cannot sign links to S3 ({told})" in page
            assert person.answer(task, [box()])[0] == 200
            task = person.next()
            assert task is None or bool(task["link_faults"]) == (told is not None)
        # New work can be asked for all the while; what can never be shown is refused as ever.
        runtime = site.client("sagemaker-a2i-runtime", aws_access_key_id=key_id, aws_secret_access_key=secret)
        asking = Flow(site, flow.name, flow.arn, flow.team, flow.ui, runtime)
        assert asking.status(asking.start()) == "InProgress"
        nowhere = asking.start(taskObject="https://example.org/a.png")
        assert asking.ended(nowhere)["FailureCode"] == "ValidationError"
        site.desk.stop()
        site.desk.command, site.desk.environment = usual
        site.desk.start()
        for loop in loops:
            flow.ended(loop)
            assert len(flow.output(loop)["humanAnswers"]) == 1
    finally:
        site.close()


@pytest.mark.parametrize(
    ("region", "origin"),
    [
        ("us-east-1", "https://*.amazonaws.com"),
        ("cn-north-1", "https://*.amazonaws.com.cn"),
        ("eusc-de-east-1", "https://*.amazonaws.eu"),
    ],
)
def test_browsers_may_load_images_from_the_regions_own_domain(region: str, origin: str):
    options = argparse.Namespace(image_origin=None, s3_endpoint=None, region=region)
    assert image_origins(options) == (origin,)
