"""Each Desk has its own journal, and a restore says what it could not use of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from include.review_desk.backup import archive
from include.review_desk.clock import system_clock
from include.review_desk.errors import DeskSetupError
from include.review_desk.people.workers import add_worker
from include.review_desk.storage import facts, journal, schema
from include.review_desk.storage.opening import open_database
from tests.review_desk.backup.test_journal import people
from tests.review_desk.people.commands import ANYTHING, refused_start, run
from tests.support.reviewer import PASSWORD


@pytest.fixture(autouse=True)
def no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(journal.ENVIRONMENT, raising=False)


def made_desk(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Desk with ada, bo and cy, whose database knows its journal."""
    url = f"sqlite:///{folder}/{name}.db"
    monkeypatch.setenv(journal.ENVIRONMENT, f"{folder}/{name}.jsonl")
    database = open_database(url)
    for person in ("ada", "bo", "cy"):
        add_worker(database, system_clock(), team="team", name=person, password=PASSWORD)
    database.close()
    monkeypatch.delenv(journal.ENVIRONMENT)
    return url


def close_account(url: str, name: str) -> None:
    done = run("remove-worker", "--name", name, "--database", url)
    assert done.returncode == 0, done.stderr


def restore(folder: Path, found: str, *options: str, **environment: str):
    return run("restore", "--from", str(folder), "--database", found, *options, **environment)


def test_a_journal_of_another_desk_is_refused(tmp_path, monkeypatch):
    made_desk(tmp_path, "one", monkeypatch)
    theirs = {"DESK_JOURNAL": f"{tmp_path}/one.jsonl"}
    asked = ("invite", "--team", "team", "--public-url", "http://localhost")
    refused = run(*asked, "--database", f"sqlite:///{tmp_path}/two.db", **theirs)
    assert refused.returncode == 2
    assert "is another Desk's: give each Desk its own file" in refused.stderr
    first = Path(theirs["DESK_JOURNAL"]).read_text().splitlines()[0]
    database = open_database(f"sqlite:///{tmp_path}/one.db")
    with database.read() as connection:
        assert json.loads(first) == {"kind": "desk", "identity": facts.get(connection, facts.IDENTITY)}
    database.close()


def test_backups_of_two_desks_in_one_folder_do_not_mix(tmp_path, monkeypatch):
    one, two = (made_desk(tmp_path, name, monkeypatch) for name in ("one", "two"))
    mine = archive.make(one, tmp_path / "backups", system_clock())
    close_account(one, "ada")
    close_account(two, "bo")
    other = archive.make(two, tmp_path / "backups", system_clock() + 1000)
    found = f"sqlite:///{tmp_path}/found.db"
    done = restore(mine.folder, found, DESK_JOURNAL=f"{tmp_path}/one.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"{other.folder}/journal.jsonl is another Desk's: it was left out." in done.stdout
    assert people(found) == {"ada": False, "bo": True, "cy": True}
    wrong = restore(mine.folder, f"{found}.2", DESK_JOURNAL=f"{tmp_path}/two.jsonl")
    assert wrong.returncode == 2
    assert "is another Desk's than the backup" in wrong.stderr
    assert not Path(f"{tmp_path}/found.db.2").exists()


def test_a_journal_that_is_not_there_is_not_made_by_a_restore(tmp_path, monkeypatch):
    backup = archive.make(made_desk(tmp_path, "one", monkeypatch), tmp_path / "backups", system_clock())
    absent = tmp_path / "typo.jsonl"
    refused = restore(backup.folder, f"sqlite:///{tmp_path}/found.db", DESK_JOURNAL=str(absent))
    assert refused.returncode == 2
    assert f"There is no journal {absent}" in refused.stderr
    assert "unset DESK_JOURNAL" in refused.stderr
    assert not absent.exists()
    assert not (tmp_path / "found.db").exists()


def spoil(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1] = "#" + lines[number - 1][1:]
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda moved, _kept: spoil(moved, 3), "journal.jsonl has 1 damaged lines (3)"),
        (lambda moved, _kept: moved.unlink(), "journal.jsonl is missing"),
        (lambda moved, _kept: moved.write_text(""), "journal.jsonl is not as it was written"),
        (lambda _moved, kept: spoil(kept, 2), "one.jsonl has 1 damaged lines (2)"),
    ],
)
def test_damage_is_named_and_refused_until_told_to_go_on(damage, told, tmp_path, monkeypatch):
    url, kept = made_desk(tmp_path, "one", monkeypatch), tmp_path / "one.jsonl"
    backup = archive.make(url, tmp_path / "backups", system_clock())
    moved = backup.folder / archive.JOURNAL
    assert moved.stat().st_mode & 0o777 == 0o600
    close_account(url, "ada")
    close_account(url, "bo")
    damage(moved, kept)
    found = f"sqlite:///{tmp_path}/found.db"
    refused = restore(backup.folder, found, DESK_JOURNAL=str(kept))
    assert refused.returncode == 2
    assert told in refused.stderr
    assert not (tmp_path / "found.db").exists()
    done = restore(backup.folder, found, "--without-damaged-lines", DESK_JOURNAL=str(kept))
    assert done.returncode == 0, done.stderr
    assert f"{told}: what was there is missing." in done.stdout
    assert people(found)["bo"] is False


def test_a_last_line_that_a_crash_cut_off_is_only_mentioned(tmp_path, monkeypatch):
    url, kept = made_desk(tmp_path, "one", monkeypatch), tmp_path / "one.jsonl"
    backup = archive.make(url, tmp_path / "backups", system_clock())
    close_account(url, "ada")
    with kept.open("a") as file:
        file.write('{"kind": "act", "act')
    found = f"sqlite:///{tmp_path}/found.db"
    done = restore(backup.folder, found, DESK_JOURNAL=str(kept))
    assert done.returncode == 0, done.stderr
    assert f"The last line of {kept} was cut off by a crash" in done.stdout
    assert people(found) == {"ada": False, "bo": True, "cy": True}


def test_commands_use_the_journal_that_the_database_remembers(tmp_path, monkeypatch):
    url, kept = made_desk(tmp_path, "one", monkeypatch), tmp_path / "one.jsonl"
    close_account(url, "ada")
    assert "account-closed" in kept.read_text()
    other = run("list-workers", "--database", url, DESK_JOURNAL=f"{tmp_path}/other.jsonl")
    assert other.returncode == 2
    assert f"This Desk's journal is {kept}" in other.stderr
    kept.rename(tmp_path / "moved.jsonl")
    lost = run("list-workers", "--database", url)
    assert lost.returncode == 2
    assert f"The journal {kept}, which this database remembers, is not there" in lost.stderr
    moved = run("list-workers", "--database", url, DESK_JOURNAL=f"{tmp_path}/moved.jsonl")
    assert moved.returncode == 0, moved.stderr
    assert run("list-workers", "--database", url, DESK_JOURNAL=journal.NONE).returncode == 0
    (tmp_path / "moved.jsonl").unlink()
    close_account(url, "bo")
    assert not (tmp_path / "moved.jsonl").exists()


def test_a_desk_restored_without_its_journal_has_none(tmp_path, monkeypatch):
    url, kept = made_desk(tmp_path, "one", monkeypatch), tmp_path / "one.jsonl"
    backup = archive.make(url, tmp_path / "backups", system_clock())
    before = kept.read_bytes()
    found = f"sqlite:///{tmp_path}/found.db"
    assert "There was no journal" in restore(backup.folder, found).stdout
    close_account(found, "ada")
    assert kept.read_bytes() == before


def trail(url: str) -> list[tuple[str, int | None]]:
    database = open_database(url)
    with database.read() as connection:
        query = select(schema.audit_trail.c.action, schema.audit_trail.c.person_id)
        rows = [(row.action, row.person_id) for row in connection.execute(query)]
    database.close()
    return rows


def test_the_restored_trail_has_each_act_once(tmp_path, monkeypatch):
    url = made_desk(tmp_path, "one", monkeypatch)
    backup = archive.make(url, tmp_path / "backups", system_clock())
    close_account(url, "ada")
    assert run("erase-worker", "--name", "bo", "--yes", "--database", url).returncode == 0
    before = trail(url)
    assert ("account-closed", 2) in before
    found = f"sqlite:///{tmp_path}/found.db"
    assert restore(backup.folder, found, DESK_JOURNAL=f"{tmp_path}/one.jsonl").returncode == 0
    assert trail(found) == before


def test_a_restore_that_fails_leaves_no_database(tmp_path, monkeypatch):
    url = made_desk(tmp_path, "one", monkeypatch)
    backup = archive.make(url, tmp_path / "backups", system_clock())

    def fail(*_: object) -> None:
        raise DeskSetupError("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr("include.review_desk.backup.acts.repeat", fail)
        assert "The disk is full." in restore(backup.folder, f"sqlite:///{tmp_path}/found.db").stderr
    assert list(tmp_path.glob("found.db*")) == []
    assert restore(backup.folder, f"sqlite:///{tmp_path}/found.db").returncode == 0


@pytest.mark.parametrize("target", ["file", "/proc/backups", "/dev/null"])
def test_a_backup_that_cannot_be_written_is_told_in_a_sentence(target, tmp_path, monkeypatch):
    url = made_desk(tmp_path, "one", monkeypatch)
    (tmp_path / "file").touch()
    made = run("backup", "--to", str(tmp_path / target), "--database", url)
    assert made.returncode == 2
    assert "cannot be written" in made.stderr
    assert "Give --to a folder with free space." in made.stderr


@pytest.mark.parametrize("about", ["{}", "no JSON", "[]", "\udcff"])
def test_what_is_no_backup_is_told_in_a_sentence(about, tmp_path, monkeypatch):
    url, found = made_desk(tmp_path, "one", monkeypatch), f"sqlite:///{tmp_path}/found.db"
    backup = archive.make(url, tmp_path / "backups", system_clock())
    (backup.folder / "about.json").write_bytes(about.encode(errors="surrogateescape"))
    assert "about.json is damaged: take another backup" in restore(backup.folder, found).stderr
    assert "is no complete backup" in restore(tmp_path / "one.jsonl", found).stderr


@pytest.mark.usefixtures("programs")
def test_a_missing_key_file_is_told_with_what_to_do(tmp_path, monkeypatch):
    url = made_desk(tmp_path, "one", monkeypatch)
    assert run("create-key", "--client", "night", *ANYTHING, "--database", url).returncode == 0
    (tmp_path / "one.db.key").unlink()
    refused = refused_start("--database", url)
    assert refused.returncode == 2
    assert "was used with before, also after a restore, by --secret-key" in refused.stderr
