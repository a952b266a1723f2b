"""What the journal cannot keep is not done, and can be done later."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
from sqlalchemy import func, select

from include.aws_protocol import Call
from include.review_desk.aws_api import handlers
from include.review_desk.backup import archive
from include.review_desk.backup.restore import restore
from include.review_desk.clock import system_clock
from include.review_desk.errors import JournalError
from include.review_desk.people.workers import add_worker
from include.review_desk.storage import journal, schema
from include.review_desk.storage.journal import Journal
from include.review_desk.storage.opening import open_database
from include.review_desk.web.json_http import error_response
from include.review_desk.web.status import health_report
from include.review_desk.work import submission, tasks
from tests.review_desk.in_process import clock, desk, person, start
from tests.review_desk.people.commands import run
from tests.support.reviewer import PASSWORD

__all__ = ["clock", "desk", "person"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(journal.ENVIRONMENT, str(path))
    return Journal(path)


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let entries find the disk full, once the file is open."""
    monkeypatch.setattr(journal, "_append", _full)


def _full(_file: object, lines: bytes) -> None:
    if lines:
        raise OSError(28, "No space left on device")


def test_a_command_whose_line_cannot_be_written_changes_nothing(kept, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/desk.db"
    database = open_database(url)
    add_worker(database, 1, team="team", name="ada", password=PASSWORD, lead=True)
    database.close()
    acts = (
        ("demote-lead", "--team", "team", "--name", "ada"),
        ("remove-from-team", "--team", "team", "--name", "ada"),
        ("remove-worker", "--name", "ada"),
    )
    for act in acts:
        with monkeypatch.context() as broken:
            fail(broken)
            failed = run(*act, "--database", url)
        assert failed.returncode == 2
        assert failed.stderr == (
            f"review_desk: The journal {kept.path} (DESK_JOURNAL) cannot be written: No space left on device"
            ". Nothing was changed: free or mount its disk, or name another file, and try again.\n"
        )
        done = run(*act, "--database", url)
        assert done.returncode == 0, done.stderr


def test_a_loop_and_an_answer_that_cannot_be_kept_are_refused_and_can_be_repeated(
    kept, desk, person, monkeypatch, caplog
):
    start(desk, "first")
    task = tasks.next_task(desk, person).task
    with monkeypatch.context() as broken:
        fail(broken)
        with pytest.raises(JournalError) as refused:
            start(desk, "second")
        with pytest.raises(JournalError):
            submission.answer(desk, person, task, {"a": 1})
    response = error_response(refused.value)
    assert response.status_code == 503
    assert str(kept.path) not in response.body.decode()
    assert f"The journal {kept.path} (DESK_JOURNAL) cannot be written" in caplog.text
    with desk.database.read() as connection:
        assert list(connection.scalars(select(schema.human_loops.c.name))) == ["first"]
    start(desk, "second")
    assert submission.answer(desk, person, task, {"a": 1}).loop == "first"
    kinds = [
        entry["kind"] for entry in journal.read(kept.path).entries if entry["kind"] in ("loop", "answer")
    ]
    assert kinds == ["loop", "loop", "answer"]


def test_programs_are_told_that_it_is_the_desks_fault(kept, desk, person, monkeypatch):
    """What the handler lets through the application logs and answers by InternalServerException (500)."""
    start(desk)
    stop = handlers.handlers(desk)[handlers.RUNTIME, "StopHumanLoop"]
    fail(monkeypatch)
    with pytest.raises(JournalError):
        asyncio.run(stop(Call(handlers.RUNTIME, "StopHumanLoop", {"HumanLoopName": "loop"}, "key", "r", "a")))


def test_entries_are_written_all_or_none(tmp_path):
    kept = Journal(tmp_path / "journal.jsonl")
    kept.append([{"number": 1}])
    before = kept.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(JournalError, match="cannot be written: File too large"):
            kept.append([{"number": 2}, {"number": 3, "long": "x" * 100}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept.path.read_bytes() == before
    kept.append([{"number": 4}])
    assert [entry["number"] for entry in journal.read(kept.path).entries] == [1, 4]


def test_a_loop_whose_commit_failed_does_not_take_the_name_of_the_one_that_was_started(
    kept, desk, clock, person, tmp_path, monkeypatch
):
    url = f"sqlite:///{tmp_path}/desk.db"
    start(desk, "before")
    backup = archive.make(url, tmp_path / "backups", clock() - 1)
    append = Journal.append

    def then_crash(self: Journal, entries: list[journal.Entry]) -> None:
        append(self, entries)
        if entries:
            raise RuntimeError("The database is gone.")

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "append", then_crash)
        with pytest.raises(RuntimeError):
            start(desk, "loop")
    clock.forward(1)
    start(desk, "loop")
    restore(archive.read(backup.folder), f"sqlite:///{tmp_path}/found.db", system_clock())
    found = open_database(f"sqlite:///{tmp_path}/found.db")
    loops = schema.human_loops
    with found.read() as connection:
        [row] = connection.execute(select(loops).where(loops.c.name == "loop"))
        assert (row.live_name, row.created_ms) == ("loop", clock())
        assert connection.scalar(select(func.count()).select_from(loops)) == 2
    found.close()


def test_health_tells_when_the_journal_is_full(kept, desk, monkeypatch):
    kept.append([{"number": 1}])
    before = kept.path.read_bytes()
    assert health_report(desk, []) == {
        "status": "ok",
        "database": "ok",
        "journal": "ok",
        "stopped_threads": [],
    }
    assert kept.path.read_bytes() == before
    monkeypatch.setattr(journal, "_BLOCK_BYTES", 4096)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        is_writable = kept.is_writable()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not is_writable
    assert kept.path.read_bytes() == before
    kept.path.unlink()
    kept.path.mkdir()
    report = health_report(desk, [])
    assert (report["status"], report["journal"]) == ("unavailable", "unavailable")
