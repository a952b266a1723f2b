"""A service that dies is started again as Compose would, and left alone when it keeps dying."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from include.demo.__main__ import main
from include.demo.driver import only_one
from include.demo.guard import descendants
from include.demo.processes import Program, ServiceFailed, Supervisor
from include.demo.progress import Progress
from include.demo.restarts import Deaths, RestartPolicy, how_it_ended
from include.demo.stack import Stack
from include.demo.state import open_state
from tests.demo.place import alive
from tests.support.lanes import starts

ROOT = Path(__file__).resolve().parents[2]
QUICK = RestartPolicy(first_seconds=0.05, longest_seconds=0.2, settled_seconds=60, quick_deaths=3)


def program(name: str, code: str, **options) -> Program:
    return Program(name, [sys.executable, "-c", code], dict(os.environ), ROOT, grace_seconds=0.5, **options)


def until(condition, supervisor=None, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        if supervisor is not None:
            supervisor.check()
        time.sleep(0.02)


def test_waits_double_and_a_long_life_forgives():
    deaths = Deaths(RestartPolicy(first_seconds=1, longest_seconds=5, settled_seconds=60, quick_deaths=4))
    assert [deaths.count(3) for _ in range(5)] == [1, 2, 4, 5, None]
    assert deaths.count(61) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "ended with exit code 1"),
        (137, "was ended by SIGKILL"),
        (-9, "was ended by SIGKILL"),
        (255, "ended with exit code 255"),
    ],
)
def test_an_exit_code_in_words(code, words):
    assert how_it_ended(code) == words


@pytest.mark.usefixtures("programs")
def test_one_that_keeps_dying_is_left_alone_with_the_log_of_its_last_start(tmp_path):
    code = (
        "import pathlib, sys; f = pathlib.Path(sys.argv[1]); n = int(f.read_text()) if f.exists() else 0; "
        "f.write_text(str(n + 1)); print(f'start {n} fails'); sys.exit(4)"
    )
    told: list[str] = []
    with Supervisor(tmp_path / "logs", QUICK, told.append) as supervisor:
        supervisor.start(program("steady", "import time; time.sleep(600)"))
        unlucky = program("unlucky", code)
        supervisor.start(replace(unlucky, command=[*unlucky.command, str(tmp_path / "starts")]))
        until(lambda: len(told) == 4, supervisor)
        for number, text in enumerate(told):
            assert f"  | start {number} fails" in text
            assert "fails" not in text.replace(f"start {number} fails", "")
        assert "it starts again in 0.05 s" in told[0]
        assert "unlucky ended with exit code 4, 4 times in a row: it is not started again." in told[3]
        assert "run the same command again" in told[3]
        # The others go on, and nothing more is said; but a start that waits for it is over.
        supervisor.check()
        assert not supervisor.has_ended("steady")
        assert len(told) == 4
        with pytest.raises(ServiceFailed, match=r"(?s)unlucky does not start.*start 3 fails"):
            supervisor.wait_until("unlucky", lambda: False, 20)


@pytest.mark.usefixtures("programs")
def test_what_it_needs_comes_first(tmp_path):
    there = tmp_path / "there"
    told: list[str] = []
    with Supervisor(tmp_path / "logs", QUICK, told.append) as supervisor:
        supervisor.start(program("needy", "raise SystemExit(1)", may_start=there.exists))
        until(lambda: told, supervisor)
        time.sleep(0.2)
        supervisor.check()
        assert len(told) == 1
        there.touch()
        until(lambda: len(told) > 1, supervisor)


@pytest.mark.usefixtures("programs")
def test_without_a_policy_the_first_death_ends_it(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("unlucky", "raise SystemExit(3)"))
        with pytest.raises(ServiceFailed, match="unlucky ended with exit code 3"):
            until(lambda: False, supervisor)


SERVICE = """
import os, subprocess, sys, time
stay = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(stay, start_new_session=True)
with open(sys.argv[1] + ".part", "w") as pids:
    pids.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""
# A start of its own: it may end only what was born in it.
DEMO = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from include.demo.processes import Program, Supervisor
from include.demo.restarts import RestartPolicy
from include.demo.driver import only_one, stoppable
pids, folder = sys.argv[1:]
command = [sys.executable, "-c", {SERVICE!r}, pids]
policy = RestartPolicy(first_seconds=0.05)
with only_one(Path(folder)) as lock, stoppable():
    say = lambda text: print(text, flush=True)
    with Supervisor(Path(folder) / "logs", policy, say, lock) as supervisor:
        supervisor.start(Program("service", command, {{}}, Path("/"), grace_seconds=0.5))
        while True:
            supervisor.check()
            time.sleep(0.02)
"""


@pytest.fixture
@starts("server")
def start(tmp_path):
    """Start the small demo; returns its process and the ids of its service and the service's child."""
    started = []
    pids = tmp_path / "pids"

    def demo():
        command = [sys.executable, "-c", DEMO, str(pids), str(tmp_path / "state")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/")
        started.append(process)
        until(pids.exists)
        return process, *map(int, pids.read_text().split())

    yield demo
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_guard_leaves_no_orphan_beside_the_next_start(start, tmp_path):
    demo, service, child = start()
    (tmp_path / "pids").unlink()
    [guard] = [pid for pid in descendants(demo.pid) if service in descendants(pid)]
    os.kill(guard, signal.SIGKILL)
    until((tmp_path / "pids").exists)
    assert not alive(service)
    assert not alive(child)
    assert "service was ended by SIGKILL; it starts again" in demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    assert demo.wait(20) != 0


def test_the_folder_is_locked_until_the_last_process_of_a_killed_start_has_ended(start, tmp_path, capsys):
    demo, service, _ = start()
    assert main(["up", "--state", str(tmp_path / "state")]) == 1
    assert f"Something already runs in {tmp_path / 'state'} (process {demo.pid})" in capsys.readouterr().out
    # It cannot end before we look.
    guard = next(pid for pid in descendants(demo.pid) if service in descendants(pid))
    os.kill(guard, signal.SIGSTOP)
    demo.kill()
    demo.wait()
    resumed = []

    def resume():
        assert alive(service)
        resumed.append(os.kill(guard, signal.SIGCONT))

    timer = threading.Timer(0.5, resume)
    timer.start()
    with only_one(tmp_path / "state"):
        assert resumed, "the lock was free while the service ran"
        assert not alive(service)
    timer.join()


@pytest.mark.usefixtures("programs")
def test_a_second_ctrl_c_does_not_wait_for_the_stubborn(tmp_path):
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
    )
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.__enter__()
    supervisor.start(replace(program("stubborn", code), grace_seconds=60))
    supervisor.wait_until("stubborn", ready.exists, 20)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        began = time.monotonic()
        supervisor.stop()
        assert 0.2 < time.monotonic() - began < 20
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("programs")
def test_what_others_write_to_is_stopped_after_them(tmp_path):
    ended = tmp_path / "ended"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        f"    open({str(ended)!r}, 'a').write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )

    def named(name, seconds, **options):
        base = program(name, code, **options)
        return replace(base, command=[*base.command, name, seconds], grace_seconds=20)

    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start(named("a", "0", stops_last=True))
        supervisor.start(named("b", "0.5"))
        for name in "ab":
            log = tmp_path / "logs" / f"{name}.log"
            supervisor.wait_until(name, lambda log=log: "ready" in log.read_text(), 20)
    assert ended.read_text() == "ba"


class Answers:
    """What Airflow's API says about its DAG files, look by look."""

    def __init__(self, *looks: tuple[list[str], bool]) -> None:
        self.looks = list(looks)

    def import_errors(self) -> list[str]:
        return self.looks[0][0]

    def knows(self, _dag_ids: tuple[str, ...]) -> bool:
        return self.looks.pop(0)[1]


@pytest.mark.parametrize("policy", [None, QUICK])
def test_a_dag_file_that_cannot_be_read_ends_a_demo_but_not_make_up(tmp_path, policy):
    stream = io.StringIO()
    stack = Stack(open_state(tmp_path / "state"), Supervisor(tmp_path, policy), Progress(0, stream))
    broken = (["mine.py: SyntaxError"], False)
    stack.airflow = Answers(broken, broken, ([], True))
    if policy is None:
        with pytest.raises(ServiceFailed, match="could not read a DAG file"):
            stack._dags_are_parsed()
    else:
        assert [stack._dags_are_parsed() for _ in range(3)] == [False, False, True]
        assert stream.getvalue().count("could not read a DAG file") == 1
        assert "mine.py: SyntaxError" in stream.getvalue()
