"""Whatever the demo starts ends with it: on stop, on a crash, and when it is killed hard."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from include.demo.guard import descendants
from include.demo.machine import free_ports, is_free
from include.demo.processes import Program, ServiceFailed, Supervisor

pytestmark = pytest.mark.usefixtures("programs")

ROOT = Path(__file__).resolve().parents[2]
# A service that starts a child of its own, which ignores SIGTERM, and leaves both process ids in a file.
STUBBORN = """
import os, signal, subprocess, sys, time
stay = "import signal, time; signal.signal(15, 1); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stay], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
open(sys.argv[1] + ".part", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def program(name: str, *command: str) -> Program:
    return Program(name, command, dict(os.environ), ROOT, grace_seconds=0.5)


def stubborn(pids: Path) -> Program:
    return program("stubborn", sys.executable, "-c", STUBBORN, str(pids))


def test_leaving_the_supervisor_ends_services_and_what_they_started(tmp_path):
    pids = tmp_path / "pids"
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start(stubborn(pids))
        supervisor.wait_until("stubborn", pids.exists, 20)
        service, child = map(int, pids.read_text().split())
        assert alive(service)
        assert alive(child)
        assert {service, child} <= set(descendants(os.getpid()))
    assert not alive(service)
    assert not alive(child)


def test_a_killed_program_takes_all_it_started_along_and_may_come_back(tmp_path):
    pids = tmp_path / "pids"
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start(stubborn(pids))
        supervisor.wait_until("stubborn", pids.exists, 20)
        service, child = map(int, pids.read_text().split())
        supervisor.kill("stubborn")
        assert not alive(service)
        assert not alive(child)
        supervisor.check()
        pids.unlink()
        supervisor.start(stubborn(pids))
        supervisor.wait_until("stubborn", pids.exists, 20)


def test_nothing_survives_kill_9_of_the_demo(tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import sys, time; from pathlib import Path; from tests_program import *\n"
        "supervisor = Supervisor(Path(sys.argv[2])).__enter__()\n"
        "supervisor.start(stubborn(Path(sys.argv[1])))\n"
        "time.sleep(600)\n"
    ).replace(
        "from tests_program import *",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_processes import *",
    )
    demo = subprocess.Popen([sys.executable, "-c", code, str(pids), str(tmp_path / "logs")], cwd=ROOT)
    try:
        until(pids.exists)
        service, child = map(int, pids.read_text().split())
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait()
    until(lambda: not alive(service) and not alive(child))


def test_a_service_that_dies_is_named_with_the_end_of_its_log(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(
            program("unlucky", sys.executable, "-c", "print('the disk is full'); raise SystemExit(3)")
        )
        with pytest.raises(ServiceFailed, match=r"(?s)unlucky ended with exit code 3.*the disk is full"):
            supervisor.wait_until("unlucky", lambda: False, 20)


def test_a_service_that_never_becomes_ready_is_given_up(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("slow", sys.executable, "-c", "import time; time.sleep(600)"))
        with pytest.raises(ServiceFailed, match="slow was not ready after 0 s"):
            supervisor.wait_until("slow", lambda: False, 0.3)


def test_ports_are_distinct_and_free():
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)
    with socket.create_server(("127.0.0.1", ports[0])):
        assert not is_free(ports[0])
