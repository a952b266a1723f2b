"""The host name of Airflow's processes, for several machines that are played on one."""

from __future__ import annotations

import os
import socket

VARIABLE = "SECONDLOOK_NODE"


def host_name() -> str:
    """What the environment says (`[core] hostname_callable`), else the machine's own name."""
    return os.environ.get(VARIABLE) or socket.gethostname()
