"""Which night a run means, whoever starts it and however, and what a run refuses before any work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from secondlook.failures.exceptions import NightError, ParameterError
from secondlook.nights import check_run, resolve_night
from secondlook.runtime.parameters import check_conf

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def context(
    dag: Any, run_type: str = "manual", conf: dict[str, Any] | None = None, **run: Any
) -> dict[str, Any]:
    """What Airflow tells a task of a run: its DAG, its parameters and the run itself."""
    facts = dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "partition_key"))
    dag_run = SimpleNamespace(**{**facts, "run_type": run_type, "run_after": NOW, "conf": conf, **run})
    params = {**{name: dag.params[name] for name in dag.params}, **(conf or {})}
    return {"dag": dag, "params": params, "dag_run": dag_run}


def interval(day: str) -> dict[str, datetime]:
    """The schedule's interval that starts on a day."""
    start = at(f"{day}T02:00")
    return {"data_interval_start": start, "data_interval_end": start + timedelta(days=1)}


def check(made: dict[str, Any], now: datetime = NOW) -> str:
    night = resolve_night(made)
    check_run(made, night, unfinished=bool(made["params"]["unfinished_night"]), now=now)
    return night


@pytest.fixture
def nightly(dags: dict[str, Any]) -> Any:
    return dags["nightly_detection"]


@pytest.mark.parametrize(
    ("asked", "night"),
    [
        ("2026-12-01T09:00", "2026-11-30"),
        ("2026-12-01T02:00", "2026-11-30"),
        # Before the schedule's hour the night that began yesterday is not over.
        ("2026-12-01T01:59", "2026-11-29"),
        ("2026-12-01T00:30", "2026-11-29"),
        ("2027-01-01T23:59", "2026-12-31"),
    ],
)
def test_a_run_without_a_date_is_about_the_last_night_that_was_over(
    nightly: Any, asked: str, night: str
) -> None:
    moment = at(asked)
    made = context(nightly, run_after=moment)
    assert check(made, moment) == night
    # As from the UI, which dates its runs with now; and it stays so when the run is cleared days later.
    given = interval(night)
    assert check(context(nightly, run_after=moment, logical_date=moment, **given), moment) == night
    assert check(made, moment + timedelta(days=3)) == night


def test_the_time_zone_of_who_asks_does_not_matter(nightly: Any) -> None:
    tokyo = datetime.fromisoformat("2026-12-01T09:30+09:00")
    assert check(context(nightly, run_after=tokyo), tokyo) == "2026-11-29"
    assert check(context(nightly, run_after=tokyo, logical_date=tokyo), tokyo) == "2026-11-29"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_a_deployment_may_move_the_hour_and_the_zone_of_its_schedule(zone: str) -> None:
    from airflow.sdk import DAG, CronDataIntervalTimetable

    schedule = CronDataIntervalTimetable("30 5 * * *", timezone=zone)
    dag = DAG("moved", schedule=schedule, params={"night": None, "unfinished_night": False})
    # 05:30 in Tokyo is 20:30 UTC of the day before; in Los Angeles it is 13:30 UTC.
    night = {"Asia/Tokyo": "2026-11-29", "America/Los_Angeles": "2026-11-29"}[zone]
    assert check(context(dag)) == night
    with pytest.raises(
        NightError, match="The night 2026-11-30 is not over: the last one that is over is 2026-11-29"
    ):
        check(context(dag, conf={"night": "2026-11-30"}))


@pytest.mark.parametrize(
    "run",
    [
        {"conf": {"night": "2026-12-01"}},
        {"conf": {"night": "2126-11-30"}},
        {"partition_key": "2026-12-01"},
        {"logical_date": at("2026-12-03T12:00"), **interval("2026-12-02")},
    ],
)
def test_a_night_that_is_not_over_is_refused_unless_that_is_meant(nightly: Any, run: dict[str, Any]) -> None:
    with pytest.raises(
        NightError, match=r"is not over: the last one that is over is 2026-11-30\. .*unfinished_night"
    ):
        check(context(nightly, **run))
    check(context(nightly, **{**run, "conf": {**run.get("conf", {}), "unfinished_night": True}}))


def test_a_worker_whose_clock_is_behind_refuses_no_night(nightly: Any) -> None:
    asked = at("2026-12-01T02:00:01")
    assert check(context(nightly, run_after=asked), asked - timedelta(minutes=5)) == "2026-11-30"
    scheduled = context(nightly, "scheduled", run_after=asked, **interval("2026-11-30"))
    assert check(scheduled, asked - timedelta(hours=5)) == "2026-11-30"


def test_a_backfill_takes_its_nights_from_its_dates_only(nightly: Any) -> None:
    assert check(context(nightly, "backfill", **interval("2026-10-05"))) == "2026-10-05"
    with pytest.raises(NightError, match="each of its runs would be about that one night"):
        check(context(nightly, "backfill", {"night": "2026-10-05"}, **interval("2026-10-06")))


def test_dates_that_contradict_each_other_are_refused(nightly: Any) -> None:
    # What `airflow dags trigger --logical-date 2026-10-05` makes: an interval of today, whatever the date.
    of_today = interval("2026-11-30")
    with pytest.raises(
        NightError, match=r"2026-10-05 00:00 UTC of this run says the night 2026-10-03, .* 2026-11-30"
    ):
        check(context(nightly, logical_date=at("2026-10-05"), **of_today))
    assert check(context(nightly, logical_date=NOW, **of_today)) == "2026-11-30"
    # A date together with an interval, as the REST API takes them, is what it says.
    assert check(context(nightly, logical_date=at("2026-10-05"), **interval("2026-09-01"))) == "2026-09-01"
    named = {"conf": {"night": "2026-10-05"}, "logical_date": at("2026-10-05"), **of_today}
    assert check(context(nightly, **named)) == "2026-10-05"


@pytest.mark.parametrize(
    ("dag_id", "conf", "sentence"),
    [
        ("nightly_detection", {"nigth": "2026-11-20"}, r"'nigth' \(did you mean night\?\) in its conf"),
        ("nightly_detection", {"Review-Limit": 5}, r"'Review-Limit' \(did you mean review_limit\?\)"),
        ("nightly_detection", {"limit": 5, "zzz": 1}, r"did you mean review_limit\?\), 'zzz' in its conf"),
        (
            "bootstrap_detector",
            {"replace_champion": True},
            r"did you mean replace\?\).* has replace, validation_share",
        ),
        ("review_workflow", {"act": "remove"}, r"did you mean action\?"),
        ("cleanup", {"dryrun": False}, r"did you mean dry_run\?"),
    ],
)
def test_what_is_no_parameter_is_refused(
    dags: dict[str, Any], dag_id: str, conf: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        check_conf(context(dags[dag_id], conf=conf))


def test_every_dag_checks_what_it_was_given_before_anything_else(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in dag.roots:
            assert task._pre_execute_hook is check_conf, (dag.dag_id, task.task_id)
        check_conf(context(dag, conf=None))
        check_conf(context(dag, conf={name: dag.params[name] for name in dag.params}))


def test_parameters_that_airflow_is_told_to_ignore_are_refused(nightly: Any) -> None:
    made = context(nightly, conf={"review_limit": 5})
    made["params"]["review_limit"] = None
    with pytest.raises(ParameterError, match=r"ignores review_limit .* dag_run_conf_overrides_params is off"):
        check_conf(made)
