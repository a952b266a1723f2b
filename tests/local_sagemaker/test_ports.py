"""Two servers on one machine never give two models the same port."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from include.local_sagemaker import ports
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.ports import Ports

LEASES = """
import sys
from pathlib import Path
from include.local_sagemaker import ports
ports.PORTS = range(19_000, 19_100)
mine = ports.Ports(Path(sys.argv[1]))
print(*[mine.lease() for _ in range(50)], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hundred(monkeypatch):
    monkeypatch.setattr(ports, "PORTS", range(19_000, 19_100))


def all_that_are_left(mine: Ports) -> set[int]:
    found: set[int] = set()
    with suppress(JobError):
        while True:
            found.add(mine.lease())
    with pytest.raises(JobError, match="There is no free port from 19000 to 19099"):
        mine.lease()
    return found


@pytest.mark.usefixtures("programs")
def test_servers_side_by_side_share_no_port(hundred, tmp_path):
    file = tmp_path / "ports"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", LEASES, str(file)], **pipes) as other:
        theirs = {int(port) for port in other.stdout.readline().split()}
        assert len(theirs) == 50
        mine = Ports(file)
        ours = all_that_are_left(mine)
        assert not ours & theirs
        assert len(ours) >= 45  # others on this machine may listen on a few
        other.kill()
    # The kernel has given back what the killed one held.
    assert mine.lease() in theirs


def test_a_port_given_back_is_leased_again_and_one_in_use_is_not(hundred, tmp_path):
    mine = Ports(tmp_path / "ports")
    leased = [mine.lease() for _ in range(10)]
    assert len(set(leased)) == 10
    for port in leased:
        mine.give_back(port)
    mine.give_back(leased[0])
    with socket.create_server(("127.0.0.1", leased[0])):
        found = all_that_are_left(mine)
    assert leased[0] not in found
    assert set(leased[1:]) <= found
