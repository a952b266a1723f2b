"""Check a run's ``conf``: Airflow silently ignores keys that are not parameters."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import ParameterError
from secondlook.runtime.task_log import leave_log_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIMILAR = 0.5
"""From which likeness on (0 to 1) another name is worth a question."""


def check_conf(context: Mapping[str, Any]) -> None:
    """Refuse a run whose ``conf`` would be ignored; for ``pre_execute`` of a DAG's first task.

    Airflow accepts any key, and checks types and ranges only of the DAG's parameters.

    Raises
    ------
    ParameterError
        A key is not a parameter, or Airflow is configured to ignore ``conf``.
    """
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    known = list(context["dag"].params)
    unknown = [str(key) for key in conf if key not in known]
    if unknown:
        leave_log_group()
        raise ParameterError(
            f"The run has {', '.join(_suggestion(key, known) for key in unknown)} in its conf, but the DAG "
            f"{context['dag'].dag_id} has no such parameter; it has {_listed(known)}. Trigger it again with "
            "the right name. Nothing was done."
        )
    given = context.get("params") or {}
    ignored = [key for key, value in conf.items() if given.get(key) != value]
    if ignored:
        leave_log_group()
        raise ParameterError(
            f"Airflow ignores {_listed(ignored)} of this run's conf, because [core] "
            "dag_run_conf_overrides_params is off: turn it on, then clear this task. Nothing was done."
        )


def _suggestion(key: str, known: list[str]) -> str:
    similar = get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=SIMILAR)
    return f"{key!r} (did you mean {similar[0]}?)" if similar else repr(key)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
