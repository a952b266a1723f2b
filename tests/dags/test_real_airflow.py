"""Runs as people start them, on a real scheduler: by REST, UI, command line and backfill.

One Airflow serves the whole module. Its detector is the fault harness's, which answers at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.dags.real_airflow import DAG_ID, ENDED, RealAirflow, real_airflow, wait_for
from tests.faults.deployment import BUCKET, NIGHT, Deployment
from tests.faults.servers import Servers
from tests.support.lanes import starts

TOKYO = timezone(timedelta(hours=9))
pytestmark = pytest.mark.timeout(1200)
MORE_SETTINGS = 'airflow_conn_id = "airflow_api"\n'


@pytest.fixture(scope="module")
@starts("airflow")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("real")
    servers = Servers(folder / "servers")
    try:
        servers.client("s3").create_bucket(Bucket=BUCKET)
        made = Deployment(servers, folder)
        text = made.settings.read_text().replace("month_limit = 3", "month_limit = 100")
        made.settings.write_text(MORE_SETTINGS + text)
        yield made
        made.tear_down()
    finally:
        servers.stop()


@pytest.fixture(scope="module")
@starts("airflow")
def airflow(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    with real_airflow(tmp_path_factory.mktemp("airflow"), deployment.environment()) as running:
        yield running


def last_night(moment: datetime) -> str:
    """The night before, once it is 02:00 UTC; earlier the one before that."""
    return ((moment - timedelta(hours=2)).date() - timedelta(days=1)).isoformat()


def test_however_a_run_is_started_it_is_about_the_last_night_that_was_over(airflow: RealAirflow) -> None:
    # None of these nights has images, and plan says so for the night it was about.
    now = datetime.now(UTC)
    today = now.date().isoformat()
    runs = {
        "by REST": airflow.start(),
        "by the form": airflow.api.trigger(DAG_ID, now.isoformat(), {}),
        "in Tokyo": airflow.api.trigger(
            DAG_ID, (now - timedelta(seconds=1)).astimezone(TOKYO).isoformat(), {}
        ),
        "by command": "by_command",
    }
    airflow.command("dags", "trigger", DAG_ID, "--run-id", "by_command")
    named = airflow.start(night="2026-11-01")
    tonight = airflow.start(night=today)
    meant = airflow.start(night=today, unfinished_night=True)
    nights = {how: airflow.night_of(run) for how, run in runs.items()}
    assert set(nights.values()) <= {last_night(now), last_night(datetime.now(UTC))}, nights
    assert airflow.night_of(named) == "2026-11-01"
    assert f"The night {today} is not over" in airflow.refusal(tonight)
    assert airflow.night_of(meant) == today


def test_what_a_run_cannot_mean_is_refused_before_anything_is_done(
    airflow: RealAirflow, deployment: Deployment
) -> None:
    before = set(deployment.keys(f"{deployment.name}/"))
    misspelt = airflow.start(nigth="2026-11-20")
    no_policy = airflow.start(night=NIGHT, review_policy="uncertainty")
    no_such_parameter = airflow.start(night=NIGHT, review_policy="top_score", policy_params={"treshold": 0.4})
    # `airflow dags trigger --logical-date` gives every run the interval of today.
    airflow.command("dags", "trigger", DAG_ID, "--run-id", "dated", "--logical-date", "2026-10-05T12:00:00Z")

    assert "'nigth' (did you mean night?) in its conf" in airflow.refusal(misspelt)
    assert "There is no review policy 'uncertainty'; choose one of" in airflow.refusal(no_policy)
    assert "refuses its parameters" in airflow.refusal(no_such_parameter)
    assert "of this run says the night 2026-10-04, its data interval the night" in airflow.refusal("dated")
    assert set(deployment.keys(f"{deployment.name}/")) == before


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"review_limit": -1}, "review_limit"),
        ({"review_limit": "many"}, "review_limit"),
        ({"audit_share": 2}, "audit_share"),
        ({"night": "20th of November"}, "night"),
        ({"train": "no"}, "train"),
    ],
)
def test_a_wrong_type_or_range_makes_no_run(airflow: RealAirflow, conf: dict[str, Any], said: str) -> None:
    status, answer = airflow.api.trigger_with(logical_date=None, conf=conf)
    assert status == 400
    assert said in str(answer)


def test_a_backfill_is_about_the_nights_of_its_dates(airflow: RealAirflow) -> None:
    archive = airflow.api.backfill("2026-10-05", "2026-10-07", {})
    runs = wait_for(lambda: _ended(airflow, 3))
    assert {airflow.night_of(run) for run in runs} == {"2026-10-05", "2026-10-06", "2026-10-07"}
    # An archive has gaps: a night without images is no fault there.
    assert {airflow.api.run_state(DAG_ID, run) for run in runs} == {"success"}

    airflow.api.close_backfill(archive)
    airflow.api.backfill("2026-09-05", "2026-09-06", {"night": NIGHT})
    refused = set(wait_for(lambda: _ended(airflow, 5))) - set(runs)
    for run in refused:
        assert "each of its runs would be about that one night" in airflow.refusal(run)


def _ended(airflow: RealAirflow, count: int) -> list[str] | None:
    """Runs of backfills, once so many have ended."""
    over = [run for run, state in airflow.api.backfill_runs(DAG_ID).items() if state in ENDED]
    return over if len(over) >= count else None


def test_a_night_is_asked_about_as_the_latest_run_says(airflow: RealAirflow, deployment: Deployment) -> None:
    layout = deployment.layout
    nobody = airflow.start(night=NIGHT, review_limit=0, train=False)
    tasks = airflow.until(nobody)
    assert airflow.api.run_state(DAG_ID, nobody) == "success"
    assert "because review_limit is 0" in tasks["launch"]["note"]
    assert not [key for key in deployment.keys(f"{deployment.name}/reviews/") if "ledger" in key]

    asking = airflow.start(night=NIGHT, review_limit=3, train=False)
    note = airflow.until(asking, "await_reviews", state="deferred")["launch"]["note"]
    assert note.startswith(f"Forecast for {NIGHT}: 3 images to review, 0.15 USD")
    assert deployment.answer() == 3
    airflow.until(asking)
    assert airflow.api.run_state(DAG_ID, asking) == "success"
    first = deployment.lines(layout.ledger(NIGHT))

    # Other settings change nothing, and the run says so where it is looked at.
    other = airflow.start(night=NIGHT, review_limit=5, review_policy="random", train=False)
    note = airflow.until(other)["launch"]["note"]
    assert "by review_policy uncertainty_sum, not random; review_limit 3, not 5" in note
    assert "choose_again = true" in note
    assert f"Forecast for {NIGHT}: 0 images to review, 3 asked before" in note
    assert deployment.lines(layout.ledger(NIGHT)) == first

    more = airflow.start(night=NIGHT, review_limit=5, review_policy="random", choose_again=True, train=False)
    note = airflow.until(more, "await_reviews", state="deferred")["launch"]["note"]
    assert note.startswith("Chosen again: 2 reviews are added to the 3 of")
    assert "2 images to review, 0.10 USD" in note
    assert deployment.answer() == 2
    airflow.until(more)
    assert airflow.api.run_state(DAG_ID, more) == "success"
    assert deployment.lines(layout.ledger(NIGHT))[:3] == first
    assert len(deployment.lines(layout.reviewed_manifest(NIGHT))) >= 4
