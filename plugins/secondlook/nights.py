"""Which night a run is about, and whether that night is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context

from secondlook.failures.exceptions import NightError
from secondlook.layout import check_night

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_SCHEDULE = frozenset({"scheduled", "backfill"})
"""Run types whose data interval Airflow chooses; it has always ended when they start."""


def resolve_night(context: Mapping[str, Any]) -> str:
    """Return the night of an Airflow run as ``YYYY-MM-DD``.

    In this order: the run's parameter ``night``, its partition key, the date (UTC) of its data interval's
    start, and for a run without an interval the last night that was over at its logical date, or else when it
    was triggered. The answer never changes in the life of a run.

    Raises
    ------
    NightError
        The parameter or the partition key is no date, or the run has nothing to derive a night from.
    """
    explicit = (context.get("params") or {}).get("night") or _of_run(context, "partition_key")
    if explicit:
        return check_night(str(explicit))
    start = context.get("data_interval_start") or _of_run(context, "data_interval_start")
    if isinstance(start, datetime):
        return start.astimezone(UTC).date().isoformat()
    for name in ("logical_date", "run_after"):
        moment = context.get(name) or _of_run(context, name)
        if isinstance(moment, datetime):
            return last_night(context, moment).isoformat()
    raise NightError(
        "This run has neither a night, a partition key nor a date: trigger it with the parameter night."
    )


def check_run(
    context: Mapping[str, Any], night: str, *, unfinished: bool = False, now: datetime | None = None
) -> None:
    """Check that a run can process a night.

    Parameters
    ----------
    context
        Airflow's context of the task.
    night
        ``YYYY-MM-DD``.
    unfinished
        Whether the night may still be going on.
    now
        The current time; read from the clock by default.

    Raises
    ------
    NightError
        The night is not over; a backfill, which covers many nights, got one night; or the run's logical date
        and data interval mean different nights.
    """
    check_night(night)
    explicit = (context.get("params") or {}).get("night")
    run_type = _of_run(context, "run_type")
    run_type = str(getattr(run_type, "value", run_type))
    if run_type == "backfill" and explicit:
        raise NightError(
            f"This backfill has the parameter night = {night}, so each of its runs would be about that one "
            "night: start it again without the parameter and with --reprocess-behavior failed (these runs "
            "exist now); a backfill takes its nights from its dates. To run a single night, trigger the DAG."
        )
    if run_type in BY_SCHEDULE and not explicit:
        return
    if not explicit and not _of_run(context, "partition_key"):
        _check_dates(context)
    asked = _of_run(context, "run_after")
    # The worker's clock may lag behind that of the server that created the run.
    moments = [now or datetime.now(UTC), *([asked] if isinstance(asked, datetime) else [])]
    start, end = _last_interval(context, max(moments))
    over = max(_date_of(start, end), end.date() - timedelta(days=1))
    if date.fromisoformat(night) > over and not unfinished:
        raise NightError(
            f"The night {night} is not over: the last one that is over is {over}. Images that come later "
            "would never be reviewed. Wait for its scheduled run, or if all of its images are there, trigger "
            "it with the parameter unfinished_night = true."
        )


def last_night(context: Mapping[str, Any], moment: datetime) -> date:
    """Return the last night that was over at a moment, by the schedule of the context's DAG.

    That is the date (UTC) on which the last data interval starts that had ended. Without a DAG, or with a
    schedule that has no intervals, nights are days in UTC.
    """
    return _date_of(*_last_interval(context, moment))


def _date_of(start: datetime, end: datetime) -> date:
    return start.date() if start < end else end.date() - timedelta(days=1)


def _last_interval(context: Mapping[str, Any], moment: datetime) -> tuple[datetime, datetime]:
    import pendulum

    at = pendulum.instance(moment.astimezone(UTC))
    dag = context.get("dag")
    if dag is None:
        return at, at
    from airflow.serialization.encoders import coerce_to_core_timetable

    interval = coerce_to_core_timetable(dag.timetable).infer_manual_data_interval(run_after=at)
    return interval.start.astimezone(UTC), interval.end.astimezone(UTC)


def _check_dates(context: Mapping[str, Any]) -> None:
    """Refuse a run whose logical date and data interval mean different nights.

    ``airflow dags trigger --logical-date`` makes such runs (3.3.2): the interval is the last one before now,
    whatever the date.
    """
    logical, asked = _of_run(context, "logical_date"), _of_run(context, "run_after")
    given = _of_run(context, "data_interval_start"), _of_run(context, "data_interval_end")
    if None in (logical, asked, *given):
        return
    meant = _last_interval(context, logical)
    if given == _last_interval(context, asked) and given != meant and logical != given[0]:
        raise NightError(
            f"The logical date {logical.astimezone(UTC):%Y-%m-%d %H:%M} UTC of this run says the night "
            f"{_date_of(*meant)}, its data interval the night {_date_of(*given)}: the option --logical-date "
            "of `airflow dags trigger` does not set the interval. Trigger it without that option and with "
            'the night as a parameter, --conf \'{"night": "YYYY-MM-DD"}\'.'
        )


def _of_run(context: Mapping[str, Any], name: str) -> Any:
    return getattr(context.get("dag_run"), name, None)


@pass_context
def night_of(context: Mapping[str, Any]) -> str:
    """Template macro: ``{{ night_of() }}`` is the night of the run that is being rendered."""
    return resolve_night(context)
