"""How the log of a task is shown in Airflow's UI."""

from __future__ import annotations

import logging


def leave_log_group() -> None:
    """Close the group "Pre Execute" of the task's log, before an error is raised in it.

    Airflow 3.3.2 closes it only when ``execute`` begins. The UI shows a group folded, so that an error in
    it, of the templates or of ``pre_execute``, is not seen.
    """
    logging.getLogger("airflow.task").info("::endgroup::")
