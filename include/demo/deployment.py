"""How the demo's services run: all on one machine with SQLite by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Deployment:
    """What differs from one machine with SQLite.

    `airflow_options` (section, then option) go over the demo's own, `airflow_environment` is added to the
    environment of Airflow's processes, `initialise` is run before them in place of `airflow db migrate`, and
    `desk_database` is the URL of the Review Desk's database. `database_answers` tells whether Airflow's
    database can be reached, for processes that are to be started again.
    """

    airflow_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    airflow_environment: Mapping[str, str] = field(default_factory=dict)
    initialise: tuple[str, ...] = ("airflow", "db", "migrate")
    desk_database: str | None = None
    database_answers: Callable[[], bool] = field(default=lambda: True)


ONE_MACHINE = Deployment()
