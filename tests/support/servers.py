"""Server processes of the tests: on leased loopback ports, and gone when pytest is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from include.local_sagemaker.ports import Ports

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_SECONDS = 60.0
_PORTS = Ports()


def free_port() -> int:
    """Return a loopback port that nothing listens on. It is leased: a slow start loses it to nobody."""
    return _PORTS.lease()


def s3_command(port: int, folder: Path, credentials: Path, *more: str) -> list[str]:
    """The command of S3 on this machine; its objects and its log are below ``folder``."""
    return [
        *(sys.executable, "-m", "include.local_s3", "serve", "--port", str(port)),
        *("--state-dir", str(folder / "s3"), "--credentials", str(credentials)),
        *more,
    ]


S3_HEALTH = "/_ministack/health"


class Server:
    """A server process in its own process group.

    The log goes to ``log_path``; :meth:`stop` ends it politely, :meth:`kill` as a power cut would.
    """

    def __init__(
        self, command: list[str], url: str, log_path: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.url = url
        self.log_path = log_path
        self._log: IO[bytes] = log_path.open("ab")
        launcher = [sys.executable, "-I", str(ROOT / "include/local_sagemaker/launch.py"), str(os.getpid())]
        self.process = subprocess.Popen(
            [*launcher, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_ready(self, path: str) -> Server:
        """Wait until ``GET <url><path>`` answers below 500, or fail with the end of the server's log."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if _answers(self.url + path):
                return self
            time.sleep(0.05)
        self.kill()
        log = self.log_path.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"The server at {self.url} did not start; its log ends with:\n{log}")

    def stop(self) -> None:
        """End the server with SIGTERM, and whatever is left of its group with SIGKILL."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=15)
        self.kill()

    def kill(self) -> None:
        """End the server and its group with SIGKILL; once it is gone, its id may be another's."""
        if self._log.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def wait_for(condition, seconds: float = 45.0):
    """The first true value of ``condition()``; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


class ServerProcess:
    """A server that can be stopped, killed and started again on its port and its data."""

    def __init__(self, command: list[str], environment: dict[str, str], ready_url: str, log: Path) -> None:
        self.command, self.ready_url, self.log = command, ready_url, log
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        wait_for(self._ready, 40)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return self.is_up()

    def is_up(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(self.ready_url, timeout=2):
            return True
        return False


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
