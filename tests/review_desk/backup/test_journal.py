"""The journal, and backups as files; the drill with a running desk is in test_drill.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from include.review_desk.backup import acts, archive, dump
from include.review_desk.backup.restore import restore
from include.review_desk.clock import system_clock
from include.review_desk.errors import DeskSetupError
from include.review_desk.people import accounts, leaving
from include.review_desk.people.workers import add_worker
from include.review_desk.storage import journal, schema
from include.review_desk.storage.journal import Journal
from include.review_desk.storage.opening import open_database
from tests.review_desk.people.commands import run
from tests.support.reviewer import PASSWORD


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(journal.ENVIRONMENT, str(path))
    return Journal(path)


def people(url: str) -> dict[str, bool]:
    """Whether the account of each person is open."""
    database = open_database(url)
    with database.read() as connection:
        rows = connection.execute(select(schema.workers.c.name, schema.workers.c.disabled_ms)).all()
    database.close()
    return {name: closed is None for name, closed in rows}


def test_a_line_that_was_cut_off_is_passed_over_and_spoils_no_other(kept: Journal):
    kept.append([{"number": 1}, {"number": 2}])
    with kept.path.open("ab") as file:
        file.write(b'{"number": 3, "answ')
    kept.append([{"number": 4}])
    assert [entry["number"] for entry in journal.read(kept.path).entries] == [1, 2, 4]
    assert kept.path.stat().st_mode & 0o777 == 0o600


def test_a_transaction_that_is_rolled_back_is_not_kept(kept: Journal, tmp_path: Path):
    database = open_database(f"sqlite:///{tmp_path}/desk.db")
    try:
        with database.write() as connection:
            journal.note(connection, {"number": 1})
            raise RuntimeError
    except RuntimeError:
        pass
    with database.write() as connection:
        journal.note(connection, {"number": 2})
    database.close()
    assert journal.read(kept.path).entries == [{"number": 2}]


def test_a_journal_that_cannot_be_written_is_told_at_the_start(monkeypatch, tmp_path: Path):
    monkeypatch.setenv(journal.ENVIRONMENT, str(tmp_path / "no-such-folder" / "journal"))
    with pytest.raises(DeskSetupError, match=r"DESK_JOURNAL\) cannot be written"):
        open_database(f"sqlite:///{tmp_path}/desk.db")


def made_desk(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/desk.db"
    database = open_database(url)
    for name in ("ada", "bo", "cy"):
        add_worker(database, system_clock(), team="team", name=name, password=PASSWORD)
    database.close()
    return url


def later(kept: Journal, **act: object) -> None:
    """An act some time after the backups, since what is only a little older than one is repeated, too."""
    columns = {column.name: None for column in schema.audit_trail.c if column.name != "id"}
    time_ms = system_clock() + 2 * acts.MARGIN_MS
    kept.append([{"kind": "act", "act": columns | {"time_ms": time_ms, "actor_kind": "command"} | act}])


def test_an_older_backup_takes_the_journals_of_later_ones_along(kept: Journal, tmp_path: Path):
    url, backups = made_desk(tmp_path), tmp_path / "backups"
    first = archive.make(url, backups, system_clock())
    database = open_database(url)
    accounts.remove_worker(database, system_clock(), "ada")
    archive.make(url, backups, system_clock() + 1000)
    accounts.remove_worker(database, system_clock(), "bo")
    database.close()
    found = f"sqlite:///{tmp_path}/found.db"
    restore(archive.read(first.folder), found, system_clock())
    assert people(found) == {"ada": False, "bo": False, "cy": True}
    # It can be done again: the journal is where it was.
    again = f"sqlite:///{tmp_path}/again.db"
    restore(archive.read(first.folder), again, system_clock())
    assert people(again) == people(found)


def test_what_was_given_back_since_is_not_taken_away(kept: Journal, tmp_path: Path):
    url = made_desk(tmp_path)
    backup = archive.make(url, tmp_path / "backups", system_clock())
    database = open_database(url)
    accounts.remove_worker(database, system_clock(), "ada")
    add_worker(database, system_clock(), team="team", name="ada", password=PASSWORD)
    leaving.erase_worker(database, system_clock(), "bo")
    database.close()
    found = f"sqlite:///{tmp_path}/found.db"
    restore(archive.read(backup.folder), found, system_clock())
    state = people(found)
    assert (state.pop("ada"), state.pop("cy")) == (True, True)
    [(name, is_open)] = state.items()
    assert name.startswith("erased-")
    assert not is_open


def test_acts_from_before_a_restore_mean_nothing_in_a_later_backup(kept: Journal, tmp_path: Path):
    """Ids of people who came between backup and loss are given out again after the restore."""
    url = made_desk(tmp_path)
    first = archive.make(url, tmp_path / "backups", system_clock())
    later(kept, action="account-closed", person_id=4)
    found = f"sqlite:///{tmp_path}/found.db"
    restore(archive.read(first.folder), found, system_clock())
    database = open_database(found)
    add_worker(database, system_clock(), team="team", name="dee", password=PASSWORD)
    database.close()
    second = archive.make(found, tmp_path / "backups", system_clock() + 1000)
    last = f"sqlite:///{tmp_path}/last.db"
    restore(archive.read(second.folder), last, system_clock())
    assert people(last) == {"ada": True, "bo": True, "cy": True, "dee": True}


def test_backups_that_cannot_be_used_are_refused_in_a_sentence(kept: Journal, tmp_path: Path):
    url = made_desk(tmp_path)
    backup = archive.make(url, tmp_path / "backups", system_clock())
    arguments = ("restore", "--from", str(backup.folder), "--database")
    assert "is not empty: restore into a new one" in run(*arguments, url).stderr
    with (backup.folder / "database.dump").open("ab") as file:
        file.write(b"x")
    assert "is damaged: take another backup" in run(*arguments, f"{url}.new").stderr
    (backup.folder / "about.json").unlink()
    assert "is no complete backup" in run(*arguments, f"{url}.new").stderr
    assert not Path(f"{tmp_path}/desk.db.new").exists()


def test_without_a_journal_both_commands_say_what_that_means(tmp_path: Path, monkeypatch):
    monkeypatch.delenv(journal.ENVIRONMENT, raising=False)
    url = made_desk(tmp_path)
    made = run("backup", "--to", str(tmp_path / "backups"), "--database", url)
    assert "There is no journal (DESK_JOURNAL)" in made.stdout
    [folder] = (tmp_path / "backups").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert json.loads((folder / "about.json").read_text())["begun_ms"]
    done = run("restore", "--from", str(folder), "--database", f"sqlite:///{tmp_path}/found.db")
    assert "what came after the backup is not there" in done.stdout


def test_everybody_who_changed_a_password_needs_another(kept: Journal, tmp_path: Path):
    url = made_desk(tmp_path)
    backup = archive.make(url, tmp_path / "backups", system_clock())
    # One set by a command, two by the people themselves.
    later(kept, action="password-changed", person_id=1)
    later(kept, action="password-changed", actor_kind="person", actor_id=2)
    later(kept, action="password-changed", actor_kind="person", actor_id=3)
    found = f"sqlite:///{tmp_path}/found.db"
    told = restore(archive.read(backup.folder), found, system_clock()).without_password
    assert told == ("ada", "bo", "cy")


@pytest.mark.parametrize(
    ("done", "factors", "has_password"),
    [(["removed"], 0, True), (["removed", "set"], 0, False), (["set", "removed"], 0, True), ([], 1, True)],
)
def test_an_old_second_factor_does_not_come_back(kept, tmp_path, done, factors, has_password):
    url = made_desk(tmp_path)
    database = open_database(url)
    with database.write() as connection:
        values = {"worker_id": 1, "secret": "x", "created_ms": 1, "confirmed_ms": 1}
        connection.execute(schema.second_factors.insert().values(**values))
    database.close()
    backup = archive.make(url, tmp_path / "backups", system_clock())
    for act in done:
        later(kept, action=f"second-factor-{act}", actor_kind="person", actor_id=1)
    found = f"sqlite:///{tmp_path}/found.db"
    told = restore(archive.read(backup.folder), found, system_clock()).without_password
    assert told == (() if has_password else ("ada",))
    database = open_database(found)
    with database.read() as connection:
        assert len(connection.execute(select(schema.second_factors)).all()) == factors
        password = select(schema.workers.c.password_hash).where(schema.workers.c.id == 1)
        assert (connection.scalar(password) is not None) == has_password
    database.close()


def test_an_older_server_is_not_told_settings_of_pg_restores_own_version():
    head = [b"SET lock_timeout = 0;\n", b"SET transaction_timeout = 0;\n", b"CREATE TABLE x ();\n"]
    data = [b"line\n"] * 100 + [b"SET transaction_timeout = 0;\n"]
    assert list(dump.without_new_settings([*head, *data])) == [head[0], head[2], *data]
