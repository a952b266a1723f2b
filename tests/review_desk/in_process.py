"""A desk in the process of the test, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from include.review_desk.aws_api import flows, loops, task_uis
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.errors import MissingResource
from include.review_desk.people import sessions, workers
from include.review_desk.people.limits import SignInLimiter
from include.review_desk.storage.links import SteadyLinks
from include.review_desk.storage.object_store import S3Store
from include.review_desk.storage.opening import open_database
from include.review_desk.work import housekeeping, outbox
from include.review_desk.worker_templates.rendering import Renderer
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY, flow_request, input_content
from tests.support.reviewer import PASSWORD

ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow"


@dataclass
class TurnedClock:
    now_ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def forward(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def desk(site, tmp_path, clock):
    endpoint = f"http://127.0.0.1:{site.s3_port}"
    keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    store = S3Store(region=REGION, endpoint_url=endpoint, **keys)
    database = open_database(f"sqlite:///{tmp_path}/desk.db")
    desk = Desk(DeskConfig(), database, clock, Renderer(SteadyLinks(store.presign_get)), store)
    yield desk
    database.close()


@pytest.fixture
def person(desk):
    return sign_in(desk, "ada")


def sign_in(desk, name: str, team: str = "team") -> sessions.Worker:
    workers.add_worker(desk.database, desk.clock(), team=team, name=name, password=PASSWORD)
    session = workers.sign_in(desk, SignInLimiter(), name=name, password=PASSWORD, address="here")
    return sessions.authenticate(desk, session.token)


def start(desk, name: str = "loop", **loop_config) -> str:
    config = {"TaskAvailabilityLifetimeInSeconds": 1000, "TaskTimeLimitInSeconds": 100} | loop_config
    try:
        flows.describe(desk, "flow")
    except MissingResource:
        task_uis.create(desk, {"HumanTaskUiName": "ui", "UiTemplate": {"Content": "x"}})
        flows.create(desk, flow_request("flow", "team", "ui", **config))
    loops.start(
        desk,
        {
            "HumanLoopName": name,
            "FlowDefinitionArn": ARN,
            "HumanLoopInput": {"InputContent": input_content()},
        },
    )
    return name


def status(desk, name: str = "loop") -> str:
    housekeeping.sweep(desk)
    outbox.deliver_due(desk)
    return str(loops.describe(desk, name)["HumanLoopStatus"])
