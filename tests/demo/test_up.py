"""`make up` survives what it should show: a failed first run, the sudden death of each of its services.

One start for all, in this order: the first model's run fails and is cleared, each service is killed and asked
for something real, a night passes, Ctrl-C; then a second start on what is left.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from include.demo.__main__ import main
from include.demo.demo_settings import DRAWN, PERSON_REVIEW_LIMIT
from include.demo.drawn import DrawnSizes, draw_archive
from include.demo.guard import descendants
from include.demo.http_json import JsonClient
from include.demo.postgres import installed
from include.demo.prepare import save_index
from include.demo.state import PERSON, open_state
from include.demo.upload import LAYOUT
from tests.demo.place import MARKS, Place, alive
from tests.support.lanes import starts

pytestmark = pytest.mark.timeout(600)

SIZES = DrawnSizes(bootstrap=24, night=6, holdout=8, nights=1)
NIGHT = "2026-03-02"
KEPT = {"Body": b"kept", "ContentType": "text/x-kept", "Metadata": {"by": "test"}}


@pytest.fixture(scope="module")
@starts("airflow")
def folder() -> Iterator[Path]:
    """A state folder with a small archive, whose pictures for the first model are missing."""
    if not installed():
        pytest.skip("PostgreSQL is not installed: run `bash tests/system_packages.sh` as root once.")
    # Not pytest's own folder: PostgreSQL's user may not pass there.
    root = Path(tempfile.mkdtemp(prefix="second-look-up-"))
    root.chmod(0o755)
    (root / "bootstrap" / "voc").mkdir(parents=True)
    state = open_state(root / "a user's place")
    save_index(state.folder / "archive.json", draw_archive(state.archive, 7, SIZES), ())
    for part in ("JPEGImages", "Annotations"):
        shutil.move(state.archive / "bootstrap" / "voc" / part, root / "bootstrap" / "voc" / part)
    yield state.folder
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    started = Place.start(folder, folder.parent / "printed.txt")
    yield started
    started.end()


def heartbeat(place: Place, component: str) -> float:
    health = JsonClient(place.state.url("airflow")).call("GET", "/api/v2/monitor/health")[1]
    beat = health[component][f"latest_{component}_heartbeat"]
    assert beat, f"{component} is not there yet"
    return datetime.fromisoformat(beat).timestamp()


def run_a_dag(place: Place, meanwhile: Callable[[], object] = lambda: None) -> None:
    """A run of a short DAG through the scheduler, without a lost try."""
    run_id = place.airflow.trigger("cleanup", None, {})
    meanwhile()
    place.until(lambda: place.airflow.run_state("cleanup", run_id) in ("success", "failed"))
    tasks = place.airflow.task_instances("cleanup", run_id)
    assert {task["state"] for task in tasks} <= {"success", "skipped"}
    assert [task["task_id"] for task in tasks if task["try_number"] > 1] == []


def test_a_failed_first_run_is_told_with_its_log_and_goes_on_once_it_is_cleared(place, folder):
    place.until_printed("then clear the failed task there")
    told = place.printed()
    assert "bootstrap: the run manual__" in told
    assert "of bootstrap_detector failed in pack." in told
    # The log's end, as in Airflow.
    assert "/task_id=pack/attempt=1.log:" in told
    [run_id] = {word for word in told.split() if word.startswith("manual__")}
    assert f"/dags/bootstrap_detector/runs/{run_id.replace(':', '%3A').replace('+', '%2B')}: fix" in told

    s3 = place.client("s3", "s3")
    pictures = folder.parent / "bootstrap"
    for file in filter(Path.is_file, pictures.rglob("*")):
        key = f"{LAYOUT.prefix}/bootstrap/{file.relative_to(pictures)}"
        s3.put_object(Bucket=LAYOUT.bucket, Key=key, Body=file.read_bytes())
    cleared = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
    place.airflow._must("POST", "/api/v2/dags/bootstrap_detector/clearTaskInstances", cleared)
    place.until_printed(f"Trigger nightly_detection in Airflow with night = {NIGHT}.")
    assert told.count("then clear the failed task there") == 1


def test_a_second_start_in_the_same_folder_is_one_sentence(place, folder, capsys):
    assert main(["up", "--state", str(folder)]) == 1
    said = capsys.readouterr().out
    assert f"Something already runs in {folder} (process {place.process.pid}); stop it first" in said
    assert len(said.splitlines()) == 1


def test_the_printed_file_lets_a_shell_reach_this_airflow(place, folder):
    file = folder / "airflow.env"
    assert file.stat().st_mode & 0o777 == 0o600
    [line] = [line for line in place.printed().splitlines() if line.startswith("Commands")]
    source = line.removeprefix("Commands").strip().partition("   ")[0]
    backfill = (
        f"airflow backfill create --dag-id nightly_detection --from-date {NIGHT} --to-date {NIGHT}T23:59 "
        "--dry-run"
    )
    shell = ["bash", "-c", f"{source} && {backfill}"]
    done = subprocess.run(
        shell, cwd=Path.cwd(), env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2026-03-02 02:00:00" in done.stdout


@pytest.fixture(scope="module")
def killed(place) -> dict[str, float]:
    """When each of these was killed, one after the other; what they held before that."""
    place.client("s3", "s3").put_object(Bucket=LAYOUT.bucket, Key="kept", **KEPT)
    services = set(MARKS) - {"postgres", "sagemaker", "airflow-api-server"}
    return {service: place.kill(service) for service in sorted(services)}


@pytest.fixture(scope="module")
def session(place) -> JsonClient:
    """A person who has signed in at the Review Desk."""
    desk = JsonClient(place.state.url("desk"))
    person = {"name": PERSON, "password": place.state.secrets.reviewers[PERSON]}
    _, session = desk.call("POST", "/worker/sessions", person)
    desk.headers["Authorization"] = f"Bearer {session['token']}"
    return desk


def test_killed_s3_comes_back_with_all_objects(place, session, killed):
    s3 = place.client("s3", "s3")

    def again():
        try:
            return s3.get_object(Bucket=LAYOUT.bucket, Key="kept")
        except (BotoCoreError, ClientError) as error:
            raise OSError(str(error)) from error

    found = place.until(again)
    assert found["Body"].read() == KEPT["Body"]
    assert (found["ContentType"], found["Metadata"]) == (KEPT["ContentType"], KEPT["Metadata"])
    assert s3.put_object(Bucket=LAYOUT.bucket, Key="new", Body=b"")["ETag"]


def test_killed_review_desk_keeps_its_sessions(place, session, killed):
    status, queue = place.until(lambda: session.call("GET", "/worker/queue"))
    assert (status, queue["mine"]) == (200, 0)


def test_killed_reviewers_come_back(place, killed):
    place.until(lambda: place.own_process("reviewers"))


@pytest.mark.parametrize("component", ["scheduler", "triggerer", "dag_processor"])
def test_killed_part_of_airflow_comes_back(place, killed, component):
    when = killed[f"airflow-{component.replace('_', '-')}"]
    place.until(lambda: heartbeat(place, component) > when + 1)


def test_killed_api_server_costs_the_task_that_starts_meanwhile_nothing(place, killed):
    run_a_dag(place, meanwhile=lambda: place.kill("airflow-api-server"))


def test_killed_postgres_brings_airflow_back_with_its_history(place):
    runs = place.airflow.latest_run("cleanup")
    killed = place.kill("postgres")
    for component in ("scheduler", "triggerer", "dag_processor"):
        place.until(lambda component=component: heartbeat(place, component) > killed + 1)
    assert place.until(lambda: place.airflow.latest_run("cleanup")) == runs
    run_a_dag(place)


def test_a_night_passes_after_all_that(place):
    run_id = place.airflow.trigger("nightly_detection", f"{NIGHT}T02:00:00Z", {"night": NIGHT})
    place.until(lambda: place.airflow.run_state("nightly_detection", run_id) in ("success", "failed"))
    tasks = place.airflow.task_instances("nightly_detection", run_id)
    assert place.airflow.run_state("nightly_detection", run_id) == "success"
    assert [task["task_id"] for task in tasks if task["try_number"] > 1] == []
    manifest = place.client("s3", "s3").list_objects_v2(
        Bucket=LAYOUT.bucket, Prefix=f"{LAYOUT.prefix}/manifests/{NIGHT}"
    )
    assert manifest["KeyCount"] > 0


def in_service(place: Place) -> bool:
    try:
        described = place.client("sagemaker", "sagemaker").describe_endpoint(EndpointName="second-look")
    except (BotoCoreError, ClientError) as error:
        raise OSError(str(error)) from error
    return described["EndpointStatus"] == "InService"


def scores(place: Place) -> bool:
    picture = next((place.folder / "archive" / "images" / NIGHT).glob("*.jpg"))
    answer = place.client("sagemaker-runtime", "sagemaker").invoke_endpoint(
        EndpointName="second-look", ContentType="image/jpeg", Body=picture.read_bytes()
    )
    return b"prediction" in answer["Body"].read()


def test_killed_sagemaker_brings_its_endpoint_back_into_service(place):
    place.kill("sagemaker")
    place.until(lambda: in_service(place))
    assert scores(place)


def test_ctrl_c_stops_everything_in_order(place):
    started = descendants(place.process.pid)
    place.process.send_signal(signal.SIGINT)
    assert place.process.wait(60) == 130
    assert [pid for pid in started if alive(pid)] == []
    assert "stopping all processes" in place.printed()
    # After the last client, and with its data written.
    assert (
        (place.folder / "logs" / "postgres.log").read_text().rstrip().endswith("database system is shut down")
    )


def test_the_next_start_goes_on_from_there_and_leaves_the_reviews_to_me(place, folder):
    again = Place.start(folder, folder.parent / "printed.txt", "--reviewers", "me")
    try:
        again.until_printed("Trigger nightly_detection")
        printed = again.printed()
        assert "all reviews wait for you" in printed
        # The first model and the flow definition are there: nothing is made twice.
        assert "bootstrap ·" not in printed
        assert "review workflow ·" not in printed
        settings = (folder / "settings.toml").read_text()
        assert f"limit = {PERSON_REVIEW_LIMIT}" in settings
        assert f"timeout_seconds = {24 * 3600}" in settings
        assert f"timeout_seconds = {DRAWN.review_timeout_seconds}" not in settings
        again.until(lambda: in_service(again))
        assert again.airflow.latest_run("nightly_detection")[1] == "success"
        found = again.client("s3", "s3").get_object(Bucket=LAYOUT.bucket, Key="kept")
        assert found["Body"].read() == KEPT["Body"]

        started = descendants(again.process.pid)
        again.process.send_signal(signal.SIGINT)
        again.until_printed("Ctrl-C once more kills what is left")
        told = time.monotonic()
        again.process.send_signal(signal.SIGINT)
        assert again.process.wait(60) == 130
        assert time.monotonic() - told < 3
        assert [pid for pid in started if alive(pid)] == []
    finally:
        again.end()
