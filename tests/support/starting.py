"""Hooks of pytest for its start: a sign of life while it collects, and less work for Python afterwards.

Collecting three thousand tests in several processes takes a while, and pytest says nothing meanwhile: until
the first result these hooks say every few seconds that the tests are starting.
"""

from __future__ import annotations

import gc
import threading
import time

import pytest

SECONDS = 8.0
_has_begun = threading.Event()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start to tell, in the process that the person sees."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        threading.Thread(target=_tell, args=(reporter, time.monotonic()), daemon=True).start()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported: that stays, and is nearly all there is."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport() -> None:
    """The first result: from now on pytest tells itself."""
    _has_begun.set()


def pytest_sessionfinish() -> None:
    """There was no result at all."""
    _has_begun.set()


def _tell(reporter: pytest.TerminalReporter, began: float) -> None:
    while not _has_begun.wait(SECONDS):
        reporter.write_line(f"collecting and starting the tests: {time.monotonic() - began:.0f} s so far")
