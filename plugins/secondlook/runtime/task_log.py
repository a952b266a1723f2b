"""How Airflow's UI shows the log of a task."""

from __future__ import annotations

import logging


def leave_log_group() -> None:
    """Close the log group "Pre Execute" before raising an error in it.

    Airflow 3.3.2 closes it only when ``execute`` starts, and the UI shows groups folded: an error in a
    template or in ``pre_execute`` would be hidden.
    """
    logging.getLogger("airflow.task").info("::endgroup::")
