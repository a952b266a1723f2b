"""Print those pools of a file that Airflow does not have yet.

Its input is ``airflow pools list --output plain``. Importing the whole file would set back slots that a team
has changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def missing(wanted: dict[str, object], listed: str) -> dict[str, object]:
    """Return the wanted pools without those whose name begins a line of the list."""
    known = {line.split()[0] for line in listed.splitlines() if line.strip()}
    return {name: pool for name, pool in wanted.items() if name not in known}


if __name__ == "__main__":
    pools = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(missing(pools, sys.stdin.read()), sys.stdout)
