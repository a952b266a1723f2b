"""The DAGs run: from a VOC folder to a first model, then a night with a person who answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from secondlook import jsonl
from secondlook.layout import Layout
from secondlook.settings import LazySettings
from tests.support.reviewer import Reviewer
from tests.support.shapes import LABELS, SIDE_PX, annotation_xml, draw, drawn_boxes

NIGHT = "2026-11-20"
OLD_NIGHT = "2026-03-01"
IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"
SETTINGS = """
bucket = "{bucket}"
prefix = "shapes"
execution_role_arn = "{role}"
flow_role_arn = "{role}"
endpoint_name = "{bucket}"
flow_definition = "{bucket}"
workteam_name = "{team}"
labels = ["square", "bar"]
airflow_conn_id = "airflow_api"
image_uri = "{image}"
[serving]
part_size = 10
poll_interval_seconds = 0.2
[archive]
poll_interval_seconds = 0.2
[review]
limit = 16
price_per_review = 0.08
month_limit = 40
month_money = 2.00
poll_interval_seconds = 0.2
timeout_seconds = 240
task_time_limit_seconds = 600
[training]
min_new_answers = 8
poll_interval_seconds = 0.2
hyperparameters = {{epochs = 12, learning_rate = 0.003}}
[bootstrap.hyperparameters]
base_network = "slim-ssd"
image_shape = 96
epochs = 3
learning_rate = 0.003
mini_batch_size = 8
optimizer = "adam"
[evaluation]
poll_interval_seconds = 0.2
min_images = 20
"""


class Answering(threading.Thread):
    """A reviewer who draws every box right until told to stop."""

    def __init__(self, reviewer: Reviewer) -> None:
        super().__init__(daemon=True)
        self._reviewer = reviewer
        self._stop_asked = threading.Event()
        self.answered = 0

    def run(self) -> None:
        while not self._stop_asked.wait(0.1):
            self._reviewer.answer_all(self._draw, width=SIDE_PX, height=SIDE_PX)

    def _draw(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        self.answered += 1
        return drawn_boxes(task)

    def leave(self) -> None:
        self._stop_asked.set()
        self.join()


@pytest.fixture
def reviewer(desk_server: str, desk_workers: dict[str, str]) -> Iterator[Answering]:
    reviewer = Answering(Reviewer(desk_server, "alice", desk_workers["alice"]))
    reviewer.start()
    yield reviewer
    reviewer.leave()


@pytest.fixture
def deployment(
    airflow_connections: dict[str, str],
    bucket: str,
    role_arn: str,
    desk_team_arn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Layout:
    """Connections and settings as an operator of the project would give them."""
    for name, value in airflow_connections.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "secondlook.toml"
    team = desk_team_arn.rpartition("/")[2]
    file.write_text(SETTINGS.format(bucket=bucket, role=role_arn, team=team, image=IMAGE))
    monkeypatch.setenv("SECONDLOOK_SETTINGS", str(file))
    return Layout(bucket, "shapes")


def run(dag: Any, when: datetime | None = None, **conf: Any) -> tuple[str, dict[str, str]]:
    """Run a DAG in this process; returns its state and that of every task."""
    result = dag.test(run_conf=conf, **({} if when is None else {"logical_date": when}))
    return str(result.state), {ti.task_id: str(ti.state) for ti in result.get_task_instances()}


def note_of(task_id: str) -> str:
    """The note that Airflow's database holds about the one instance of a task that ran last."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        instances = session.query(TaskInstance).filter_by(task_id=task_id)
        return str(instances.order_by(TaskInstance.start_date.desc()).first().note)


@pytest.fixture
def as_backfill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of ``dag.test()`` be of the type of Airflow's backfills; it only makes manual ones."""
    from airflow.models import dagrun
    from airflow.utils.types import DagRunType

    create = dagrun.get_or_create_dagrun

    def create_as_backfill(*, session: Any, **more: Any) -> Any:
        created = create(session=session, **more)
        created.run_type = DagRunType.BACKFILL_JOB
        session.commit()
        return created

    monkeypatch.setattr(dagrun, "get_or_create_dagrun", create_as_backfill)


@pytest.mark.timeout(900)
def test_a_first_model_and_a_night_with_a_reviewer(
    runnable_dags: dict[str, Any],
    deployment: Layout,
    aws_clients: Callable[..., Any],
    reviewer: Answering,
    airflow_api: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout, s3 = deployment, aws_clients("s3")

    def put(key: str, data: bytes) -> None:
        s3.put_object(Bucket=layout.bucket, Key=key, Body=data)

    def read(key: str) -> bytes:
        return s3.get_object(Bucket=layout.bucket, Key=key)["Body"].read()

    def listed(folder: str) -> list[dict[str, Any]]:
        return s3.list_objects_v2(Bucket=layout.bucket, Prefix=f"{folder}/")["Contents"]

    holdout = f"{layout.holdout('v1')}/voc/clean"
    for folder, seeds in ((layout.bootstrap_voc(), range(60)), (holdout, range(1000, 1024))):
        for seed in seeds:
            picture = draw(seed)
            put(f"{folder}/JPEGImages/shape{seed:04d}.jpg", picture.data)
            put(f"{folder}/Annotations/shape{seed:04d}.xml", annotation_xml(picture))
    for seed in range(3000, 3030):
        put(f"{layout.images(NIGHT)}/shape{seed:04d}.jpg", draw(seed).data)
    put(f"{layout.images(NIGHT)}/notes.txt", b"the microscope was cleaned today")

    state, tasks = run(runnable_dags["bootstrap_detector"])
    assert state == "success", tasks
    assert set(tasks.values()) == {"success"}
    first = json.loads(read(layout.champion()))
    assert first["version"] == 1

    assert run(runnable_dags["review_workflow"], action="create")[0] == "success"

    state, tasks = run(runnable_dags["nightly_detection"], night=NIGHT)
    assert state == "success", tasks
    assert tasks["train"] == tasks["evaluate"] == tasks["decide"] == "success"
    assert tasks["approve"] == tasks["score_archive"] == "skipped"
    assert tasks["score"] == tasks["scored"] == "success"
    scored = json.loads(read(layout.predictions_summary(NIGHT, first["model"])))
    assert (scored["images"], scored["scored"], scored["quarantined"]) == (31, 30, 1)
    assert reviewer.answered == 16
    assert note_of("launch").startswith(f"Forecast for {NIGHT}: 16 images to review, 1.28 USD")
    lines = jsonl.decode(read(layout.reviewed_manifest(NIGHT)))
    assert len(lines) == 16
    (budget,) = (json.loads(read(item["Key"])) for item in listed(layout.budgets()))
    assert (budget["images"], budget["spent"]) == (16, "1.28")
    assert set(lines[0]["bounding-box-metadata"]["class-map"].values()) == set(LABELS)
    # Twelve more epochs on a model that had three: measurably better, so it is in service now.
    assert tasks["promote"] == tasks["deploy_champion"] == "success"
    champion = json.loads(read(layout.champion()))
    assert (champion["version"], champion["parent"]) == (2, first["model"])
    endpoint = aws_clients("sagemaker").describe_endpoint(EndpointName=layout.bucket)
    config = aws_clients("sagemaker").describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    model = aws_clients("sagemaker").describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["PrimaryContainer"]["ModelDataUrl"] == champion["artifact"]

    # The same night again: nobody is asked twice, nothing is left to learn, and that is a success.
    state, tasks = run(runnable_dags["nightly_detection"], night=NIGHT)
    assert state == "success", tasks
    assert tasks["train"] == tasks["promote"] == "skipped"

    # An old night: transformed by the champion, asked about like any other, and nothing is deployed.
    served = aws_clients("sagemaker").describe_endpoint(EndpointName=layout.bucket)["EndpointConfigName"]
    for seed in range(3000, 3012):
        put(f"{layout.images(OLD_NIGHT)}/shape{seed:04d}.jpg", draw(seed).data)
    request.getfixturevalue("as_backfill")
    its_end = datetime.fromisoformat(f"{OLD_NIGHT}T02:00+00:00") + timedelta(days=1)
    # dag.test() keeps the parameters of the run before; None takes the night from the date.
    state, tasks = run(runnable_dags["nightly_detection"], its_end, night=None, train=False)
    assert state == "success", tasks
    assert tasks["deploy"] == tasks["score"] == tasks["deploy_champion"] == "skipped"
    assert tasks["score_archive"] == tasks["scored"] == tasks["manifest"] == "success"
    scored = json.loads(read(layout.predictions_summary(OLD_NIGHT, champion["model"])))
    assert (scored["images"], scored["scored"], scored["quarantined"]) == (12, 12, 0)
    assert jsonl.decode(read(layout.reviewed_manifest(OLD_NIGHT)))
    endpoint = aws_clients("sagemaker").describe_endpoint(EndpointName=layout.bucket)
    assert endpoint["EndpointConfigName"] == served

    # With batch transform in the settings the bootstrap creates no endpoint.
    aws_clients("sagemaker").delete_endpoint(EndpointName=layout.bucket)
    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", '{"serving": {"scoring": "transform"}}')
    # Settings are read once per process, which is once per task except in dag.test().
    monkeypatch.setitem(runnable_dags["bootstrap_detector"].user_defined_macros, "settings", LazySettings())
    state, tasks = run(runnable_dags["bootstrap_detector"])
    assert state == "success", tasks
    assert tasks["train"] == "success"
    assert tasks["deploy"] == "skipped"


def test_bad_settings_fail_the_task_with_a_sentence(
    runnable_dags: dict[str, Any], deployment: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secondlook.failures.exceptions import SettingsError

    monkeypatch.setenv("AIRFLOW_VAR_SECONDLOOK_SETTINGS", '{"bucket": "My Bucket"}')
    with pytest.raises(SettingsError, match=r"secondlook_settings cannot be used\. bucket = 'My Bucket'"):
        _ = LazySettings().bucket
    assert run(runnable_dags["cleanup"])[0] == "failed"
