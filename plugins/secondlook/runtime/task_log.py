"""The log of a task, and how Airflow's UI shows it."""

from __future__ import annotations

import logging
from typing import Protocol


class Log(Protocol):
    """What a task logs with; arguments are formatted lazily."""

    def info(self, event: str, *args: object) -> object:
        """Tell what happens."""

    def warning(self, event: str, *args: object) -> object:
        """Tell what a person should look at."""


def leave_log_group() -> None:
    """Close the log group "Pre Execute" before raising an error in it.

    Airflow 3.3.2 closes it only when ``execute`` starts, and the UI shows groups folded: an error in a
    template or in ``pre_execute`` would be hidden.
    """
    logging.getLogger("airflow.task").info("::endgroup::")
