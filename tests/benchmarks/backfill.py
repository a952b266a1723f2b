"""An archive of nights by Airflow's own backfill, twice: the second time must change nothing.

``make backfill`` writes ``build/backfill.json``; the exit code is 1 when something is not as promised.
Airflow runs on PostgreSQL here: SQLite has one writer, and creating a backfill needs to write while the
scheduler does ("database is locked").
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from include.demo.airflow_api import AirflowRefused
from include.demo.backfill import BackfillFailed, BackfillOptions, backfill
from include.demo.dag_runs import RunFailed
from include.demo.deployment import Deployment
from include.demo.driver import DemoError
from include.demo.machine import free_ports
from include.demo.processes import ServiceFailed
from include.demo.progress import Progress
from include.demo.state import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
from postgres import PostgresServer, postgres_binaries

INTERRUPTED = 130
EXPECTED_ERRORS = (AirflowRefused, BackfillFailed, DemoError, RunFailed, ServiceFailed)


def main() -> int:
    """Run both passes; 0 when they held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--max-active-runs", type=int, default=8, help="nights at once, the backfill's own")
    parser.add_argument("--seed", type=int, default=7, help="of the drawn images and the reviewers")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "backfill.json")
    given = parser.parse_args()
    if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        print("PostgreSQL is missing: run `bash tests/system_packages.sh postgresql` as root once.")
        return 1
    progress = Progress(time.time())
    postgres = PostgresServer(postgres_binaries(), free_ports(1)[0], owner="airflow")
    try:
        postgres.start()
        options = BackfillOptions(
            folder=ROOT / "build" / "backfill-state",
            report=given.report.resolve(),
            nights=given.nights,
            max_active_runs=given.max_active_runs,
            seed=given.seed,
            deployment=Deployment(
                airflow_options={"database": {"sql_alchemy_conn": postgres.create_database()}},
                desk_database=postgres.create_database(),
            ),
        )
        backfill(options, progress)
    except EXPECTED_ERRORS as error:
        progress.say(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("stopped")
        return INTERRUPTED
    finally:
        postgres.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
