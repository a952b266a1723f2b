"""What this machine offers to the demo's processes: free ports, and a clean environment."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORT_RANGE = range(10_240, 32_000)
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback interface.

    They lie below the range from which Linux takes ports for outgoing connections: one of those could take
    the port before the service does, or while `make up` is down.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = secrets.choice(PORT_RANGE)
        if is_free(port):
            ports.add(port)
    return list(ports)


def is_free(port: int) -> bool:
    """Whether the loopback port is free."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_foreign(name: str) -> bool:
    """Whether a variable belongs to a user's own Airflow, AWS account, PostgreSQL or proxy."""
    return name.startswith(("AIRFLOW", "AWS_", "BOTO", "SECONDLOOK", "S3_", "PG")) or name.lower() in PROXIES


def clean_environment(root: Path) -> dict[str, str]:
    """An environment with nothing of a user's own Airflow or AWS account, and no proxy in between."""
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    # Without bytecode each of a hundred task processes would compile Airflow again.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    kept["PYTHONPATH"] = os.pathsep.join([str(root / "plugins"), str(root)])
    kept["PYTHONUNBUFFERED"] = "1"
    # No instance to ask for credentials, and no file of the user's: only what the connections say.
    kept.update(
        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull
    )
    return kept
