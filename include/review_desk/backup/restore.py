"""A database from a backup, with what the journal has kept since."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from include.review_desk.audit_trail.actions import Action
from include.review_desk.backup import acts, dump, journals, work
from include.review_desk.errors import DeskSetupError
from include.review_desk.storage import facts, journal, schema
from include.review_desk.storage.journal_entries import ACT, ANSWER, LOOP, RESTORED
from include.review_desk.storage.only_server import only_server
from include.review_desk.storage.opening import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from include.review_desk.backup.archive import Backup
    from include.review_desk.storage.journal import Entry, Journal


@dataclass
class Restored:
    """What was added to the backup.

    ``without_password`` are people who need a new one, by name; ``remarks`` are sentences about the journals.
    """

    loops: int = 0
    answers: int = 0
    answers_without_loop: int = 0
    repeated: int = 0
    without_password: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def restore(backup: Backup, url: str, now_ms: int, *, without_damaged: bool = False) -> Restored:
    """Make the empty database at ``url`` what was acknowledged, with the journal's help.

    All of the journal is added in one transaction, with those that later backups took along. It stays as it
    is, so that the same backup can be restored again.

    Parameters
    ----------
    without_damaged
        Go on without what is damaged or missing of the journals.

    Raises
    ------
    DeskSetupError
        There is no such journal, it is another Desk's, or some of it is damaged or missing; or see
        :func:`include.review_desk.backup.dump.put_back`.
    """
    kept = journal.of_environment()
    gathered = journals.gather(backup, kept)
    if gathered.faults and not without_damaged:
        raise DeskSetupError(
            f"The journal is not whole: {'; '.join(gathered.faults)}. Use another copy, or restore without "
            "what is missing there by --without-damaged-lines."
        )
    dump.put_back(backup.dump, url)
    try:
        restored = _complete(gathered, url, kept, backup.begun_ms, now_ms)
    except BaseException:
        # Half a restore must not be taken for a whole one.
        dump.take_away(url)
        raise
    restored.remarks = tuple(_remarks(gathered))
    return restored


def _complete(
    gathered: journals.Gathered, url: str, kept: Journal | None, begun_ms: int, now_ms: int
) -> Restored:
    # What is added now is in the journal already.
    with (
        contextlib.closing(open_database(url, journaled=False)) as database,
        only_server(database),
        database.write() as connection,
    ):
        restored = _add(connection, gathered.entries, begun_ms, now_ms)
        if gathered.identity is not None:
            facts.put(connection, facts.IDENTITY, gathered.identity)
        facts.put(connection, facts.JOURNAL, str(kept.path) if kept else None)
        if kept is not None:
            kept.claim(str(facts.get(connection, facts.IDENTITY)))
            kept.append([{"kind": RESTORED, "time_ms": now_ms}])
    return restored


def _remarks(gathered: journals.Gathered) -> Iterator[str]:
    for path in gathered.left_out:
        yield f"{path} is another Desk's: it was left out."
    for path in gathered.cut_off:
        yield f"The last line of {path} was cut off by a crash, and acknowledged to no one."
    for fault in gathered.faults:
        yield f"{fault}: what was there is missing."


def _add(connection: Connection, entries: list[Entry], begun_ms: int, now_ms: int) -> Restored:
    restored = Restored()
    done = _acts(entries, begun_ms)
    # Before new rows are made: ids in the acts mean those of the backup.
    work.end_sessions(connection, now_ms)
    acts.complete_trail(connection, done)
    repeated = acts.repeat(connection, done, begun_ms)
    restored.repeated = len(repeated)
    for entry in _started(entries):
        restored.loops += work.add_loop(connection, entry, now_ms)
    for entry in entries:
        if entry["kind"] == ANSWER:
            added = work.add_answer(connection, entry, now_ms)
            restored.answers += bool(added)
            restored.answers_without_loop += added is None
    for act in done:
        name = str(act["object"]).partition("/")[2]
        if act["action"] == Action.LOOP_STOPPED:
            work.stop_loop(connection, name, now_ms)
        elif act["action"] == Action.LOOP_DELETED:
            work.delete_loop(connection, name, now_ms)
    restored.without_password = _without_password(connection, repeated)
    return restored


def _acts(entries: list[Entry], begun_ms: int) -> list[acts.Act]:
    """The acts whose ids are those of the backup: not from before a restore that came before it."""
    done: list[acts.Act] = []
    for entry in entries:
        if entry["kind"] == RESTORED and entry["time_ms"] <= begun_ms:
            done.clear()
        elif entry["kind"] == ACT:
            done.append(entry["act"])
    return done


def _started(entries: list[Entry]) -> list[Entry]:
    """The loops that were started.

    Of two with one name and no deletion between them the first was never committed: its line was written,
    and then the database failed.
    """
    started: dict[tuple[str, int], Entry] = {}
    latest: dict[str, int] = {}
    for entry in entries:
        if entry["kind"] == LOOP:
            name, created_ms = entry["loop"]["name"], entry["loop"]["created_ms"]
            if latest.get(name, created_ms) < created_ms:
                started.pop((name, latest[name]), None)
            latest[name] = created_ms
            started[name, created_ms] = entry
        elif entry["kind"] == ACT and entry["act"]["action"] == Action.LOOP_DELETED:
            latest.pop(str(entry["act"]["object"]).partition("/")[2], None)
    return list(started.values())


def _without_password(connection: Connection, repeated: list[acts.Act]) -> tuple[str, ...]:
    people = {acts.whose(act) for act in repeated if act["action"] in acts.FORGETTING}
    workers = schema.workers
    query = select(workers.c.name).where(workers.c.id.in_(people), workers.c.disabled_ms.is_(None))
    return tuple(connection.scalars(query.order_by(workers.c.name)))
