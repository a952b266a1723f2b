"""A person as the reviewer of the demo: tells what waits and where, and lets go what the person declined."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from include.demo.demo_settings import FLOW, PERSON_REVIEW_LIMIT
from include.demo.http_json import JsonClient
from include.demo.services import s3_client
from include.demo.state import ACCOUNT_ID, PERSON, REGION
from include.demo.upload import LAYOUT

if TYPE_CHECKING:
    from include.demo.progress import Progress
    from include.demo.state import State

# A rough guess at what one image takes a beginner.
SECONDS_PER_IMAGE = 30
# Between two lines about the same wait, where lines cannot be overwritten.
COUNTER_SECONDS = 60.0
NIGHT_SECONDS = 24 * 3600.0


@dataclass
class Person:
    """The person who started the demo with REVIEWERS=me."""

    state: State
    progress: Progress
    _told: set[str] = field(default_factory=set)
    _desk: JsonClient = field(init=False)

    def __post_init__(self) -> None:
        self.progress.counter_seconds = COUNTER_SECONDS
        self._desk = JsonClient(self.state.url("desk"))

    def greet(self, nights: int) -> None:
        """Say how much is asked of the person, and where."""
        minutes = round(nights * PERSON_REVIEW_LIMIT * SECONDS_PER_IMAGE / 60)
        self.progress.plain()
        self.progress.plain(
            f"You are the reviewer: {nights} nights of up to {PERSON_REVIEW_LIMIT} images, some {minutes} "
            "minutes of your time in all, with a few minutes of training between the nights."
        )
        self.progress.plain(f"Open {self.address} and sign in as {PERSON} / {self._password}")
        self.progress.plain(
            "The first images come when the first model has been trained. Ctrl-C ends it all."
        )
        self.progress.plain()

    @property
    def address(self) -> str:
        """Where the portal is."""
        return self.state.url("desk") + "/"

    def count(self, night: str) -> str | None:
        """How many of the night's images are answered; None until it is known how many there are."""
        try:
            selected = _selected(self.state, night)
            queue = JsonClient(self.state.url("desk")).call("GET", "/_status")[1]["queue"]
            left = queue["waiting"] + queue["in_work"]
            if left and night not in self._told:
                self._told.add(night)
                self.progress.say(f"night {night}: {left} images wait for you at {self.address}")
            if queue["waiting"] and not queue["in_work"] and self._declined_the_rest():
                self._let_go()
        except (OSError, BotoCoreError, ClientError, KeyError, TypeError, ValueError):
            # Progress only: a service may be busy, and before the launch there is nothing to count.
            return None
        return f"{selected - left} of {selected} answered at {self.address}"

    @property
    def _password(self) -> str:
        return self.state.secrets.reviewers[PERSON]

    def _declined_the_rest(self) -> bool:
        """Whether what still waits is not for this person any more."""
        status, queue = self._desk.call("GET", "/worker/queue")
        if status == 401:
            status, session = self._desk.call(
                "POST", "/worker/sessions", {"name": PERSON, "password": self._password}
            )
            if status != 200:
                return False
            self._desk.headers["Authorization"] = f"Bearer {session['token']}"
            status, queue = self._desk.call("GET", "/worker/queue")
        return status == 200 and queue["waiting"] + queue["mine"] == 0

    def _let_go(self) -> None:
        """Stop loops that have no reviewer left, so that the night does not wait for other people."""
        client = _a2i_client(self.state)
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:flow-definition/{FLOW}"
        pages = client.get_paginator("list_human_loops").paginate(FlowDefinitionArn=arn)
        for loop in (loop for page in pages for loop in page["HumanLoopSummaries"]):
            if loop["HumanLoopStatus"] == "InProgress":
                client.stop_human_loop(HumanLoopName=loop["HumanLoopName"])
        self.progress.say("there is no one else to review what you declined: the night continues without it")


def _selected(state: State, night: str) -> int:
    launched = s3_client(state).get_object(Bucket=LAYOUT.bucket, Key=LAYOUT.launch_summary(night))
    return int(json.loads(launched["Body"].read())["selected"])


def _a2i_client(state: State) -> Any:
    return boto3.session.Session().client(
        "sagemaker-a2i-runtime",
        endpoint_url=state.url("desk"),
        region_name=REGION,
        aws_access_key_id=state.secrets.access_key,
        aws_secret_access_key=state.secrets.secret_key,
    )
