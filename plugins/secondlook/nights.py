"""Which night a run is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context

from secondlook.errors import NightError
from secondlook.layout import check_night

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve_night(context: Mapping[str, Any]) -> str:
    """Return the night of an Airflow run as ``YYYY-MM-DD``.

    In this order: the run's parameter ``night``, its partition key, the date (UTC) of its data interval's
    start, of its logical date, of the moment it was asked for. A run started by hand may have no logical date
    and no data interval; a partitioned run has neither.

    Raises
    ------
    NightError
        The parameter or the partition key is no date, or the run tells nothing to go by.
    """
    explicit = (context.get("params") or {}).get("night") or _of_run(context, "partition_key")
    if explicit:
        return check_night(str(explicit))
    for name in ("data_interval_start", "logical_date", "run_after"):
        moment = context.get(name) or _of_run(context, name)
        if isinstance(moment, datetime):
            return moment.astimezone(UTC).date().isoformat()
    raise NightError(
        "This run has neither a night, a partition key nor a date: trigger it with the parameter night."
    )


def _of_run(context: Mapping[str, Any], name: str) -> Any:
    return getattr(context.get("dag_run"), name, None)


@pass_context
def night_of(context: Mapping[str, Any]) -> str:
    """Template macro: ``{{ night_of() }}`` is the night of the run that is being rendered."""
    return resolve_night(context)
