"""Backup, kill, restore: no acknowledged answer is missing, nothing that was revoked lives again."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import select

from include.review_desk.backup import dump
from include.review_desk.clock import system_clock
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.errors import DeskSetupError, InvitationGone
from include.review_desk.people import invitations
from include.review_desk.storage import journal, schema
from include.review_desk.storage.opening import open_database
from tests.review_desk.people.commands import ANYTHING, run
from tests.support.desk import Flow, S3Server, Site, unique
from tests.support.lanes import starts
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.reviewer import PASSWORD, Reviewer, box
from tests.support.servers import free_port, wait_for

REVIEWERS = 4


@dataclass
class Disk:
    """A database that can be lost, and what lies on other disks."""

    kind: str
    folder: Path
    servers: list[PostgresServer] = field(default_factory=list)

    def new(self) -> str:
        """URL of an empty database, for PostgreSQL on a new server."""
        if self.kind == "sqlite":
            return f"sqlite:///{self.folder}/{unique('desk')}.db"
        server = PostgresServer(postgres_binaries(), free_port(), fsync=True)
        self.servers.append(server)
        server.start()
        return server.create_database()

    def lose(self, url: str) -> None:
        """Kill what serves it, and delete its files."""
        if self.kind == "sqlite":
            for path in self.folder.glob(f"{Path(url.rpartition('/')[2]).name}*"):
                path.unlink()
        else:
            self.servers[-1].crash()
            self.servers[-1].remove()


@pytest.fixture(params=["sqlite", "postgresql"])
@starts("server")
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(request.param, tmp_path)
    yield disk
    for server in disk.servers:
        server.remove()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal; servers, commands and this test write it."""
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(journal.ENVIRONMENT, str(path))
    return path


class Work:
    """People who answer one task after another; ``acknowledged`` has the boxes of each answered loop."""

    def __init__(self, flow: Flow, names: list[str]) -> None:
        self.flow = flow
        self.acknowledged: dict[str, float] = {}
        self._over = threading.Event()
        people = [Reviewer(flow.site.url, name) for name in names]
        self._threads = [threading.Thread(target=self._answer, args=(person,)) for person in people]
        for thread in self._threads:
            thread.start()

    def _answer(self, person: Reviewer) -> None:
        number = 0
        try:
            while not self._over.is_set():
                self.flow.start()
                task = person.next()
                if task is None:
                    continue
                number += 1
                left = number + random.random()
                status, body = person.answer(task, [box(left=left)])
                if status == 200:
                    self.acknowledged[body["loop"]] = left
        except (OSError, BotoCoreError, HTTPException):
            # The desk was killed.
            return

    def until(self, answers: int) -> None:
        wait_for(lambda: len(self.acknowledged) >= answers, 120)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)


def answers_of(site: Site) -> dict[str, float]:
    """The left edge of the only box of each answer in the database."""
    loops, assignments = schema.human_loops, schema.assignments
    query = (
        select(loops.c.name, assignments.c.answer)
        .join(assignments, assignments.c.loop_id == loops.c.id)
        .where(assignments.c.state == "answered")
    )
    with site.database.read() as connection:
        rows = connection.execute(query).all()
    return {name: json.loads(answer)["annotatedResult"]["boundingBoxes"][0]["left"] for name, answer in rows}


def make_key(database: str, secret: Path) -> dict[str, str]:
    made = run(
        "create-key",
        "--client",
        unique("client"),
        *ANYTHING,
        "--secret-key",
        str(secret),
        DESK_DATABASE=database,
    )
    assert made.returncode == 0, made.stderr
    return dict(line.split("=", 1) for line in made.stdout.splitlines() if line.startswith("AWS_"))


def invite(database: str, team: str) -> str:
    made = run("invite", "--team", team, "--public-url", "http://localhost", DESK_DATABASE=database)
    return made.stdout.strip().rpartition("/")[2]


def test_no_answer_is_lost_and_nothing_revoked_lives_again(
    disk: Disk, kept: Path, desk_s3: S3Server, tmp_path: Path
):
    lost = disk.new()
    (tmp_path / "one").mkdir()
    site = Site(tmp_path / "one", desk_s3, lost)
    secret = tmp_path / "desk.key"
    secret.write_bytes(os.urandom(32))
    secret.chmod(0o600)
    site.desk.command += ["--secret-key", str(secret)]
    site.desk.start()
    try:
        flow = site.make_flow(TaskCount=1)
        names = [unique("person") for _ in range(REVIEWERS)]
        for name in (*names, "leaving", "removed", "changing"):
            site.add_worker(flow.team, name)
        revoked, good = make_key(lost, secret), make_key(lost, secret)
        used, withdrawn = invite(lost, flow.team), invite(lost, flow.team)
        stopped = flow.start()
        before = Reviewer(site.url, names[0])
        work = Work(flow, names)
        work.until(10)
        before_backup = dict(work.acknowledged)
        made = run("backup", "--to", str(tmp_path / "backups"), DESK_DATABASE=lost)
        assert made.returncode == 0, made.stderr
        # Whatever comes now is in no backup.
        for command in (
            ("revoke-key", revoked["AWS_ACCESS_KEY_ID"]),
            ("remove-worker", "--name", "leaving"),
            ("remove-from-team", "--team", flow.team, "--name", "removed"),
        ):
            assert run(*command, DESK_DATABASE=lost).returncode == 0
        site.add_worker(flow.team, "changing", "another long password")
        assert accept(site, used, "newcomer")
        listed = run("list-invitations", DESK_DATABASE=lost).stdout
        [open_one] = [line.split()[0] for line in listed.splitlines()[-1:]]
        assert run("withdraw-invitation", open_one, DESK_DATABASE=lost).returncode == 0
        late = Work(flow, ["newcomer"])
        work.until(len(before_backup) + 20)
        late.until(1)
        site.desk.stop(signal.SIGKILL)
        for worked in (work, late):
            worked.end()
        acknowledged = work.acknowledged | late.acknowledged
    finally:
        site.close()
    disk.lose(lost)

    found = disk.new()
    [backup] = (tmp_path / "backups").iterdir()
    restored = run("restore", "--from", str(backup), DESK_DATABASE=found)
    assert restored.returncode == 0, restored.stderr
    assert "changing changed password or second factor since, and has none now" in restored.stdout
    (tmp_path / "two").mkdir()
    site = Site(tmp_path / "two", desk_s3, found)
    site.desk.command += ["--secret-key", str(secret)]
    site.desk.start()
    try:
        present = answers_of(site)
        assert {loop: present.get(loop) for loop in acknowledged} == acknowledged
        again = Flow(site, flow.name, flow.arn, flow.team, flow.ui, site.client("sagemaker-a2i-runtime"))
        for loop in acknowledged:
            assert again.ended(loop)["HumanLoopStatus"] == "Completed"
            [answer] = again.output(loop)["humanAnswers"]
            [box] = answer["answerContent"]["annotatedResult"]["boundingBoxes"]
            assert box["left"] == acknowledged[loop]
        check_revoked(site, revoked, good, before)
        assert not accept(site, used, "another")
        assert not accept(site, withdrawn, "third")
        # And the desk goes on.
        Reviewer(site.url, names[1])
        assert again.status(stopped) in ("InProgress", "Completed")
    finally:
        site.close()


def check_revoked(site: Site, revoked: dict[str, str], good: dict[str, str], before: Reviewer) -> None:
    for key, code in ((revoked, "UnrecognizedClientException"), (good, None)):
        client = site.client(
            "sagemaker",
            aws_access_key_id=key["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"],
        )
        if code is None:
            client.list_workteams()
        else:
            with pytest.raises(ClientError) as refused:
                client.list_workteams()
            assert refused.value.response["Error"]["Code"] == code
    for name, password in (("leaving", PASSWORD), ("changing", PASSWORD)):
        stranger = Reviewer(site.url, name, token="none")
        stranger.token = ""
        assert stranger.call("/worker/sessions", {"name": name, "password": password})[0] == 401
    assert Reviewer(site.url, "removed").next() is None
    assert Reviewer(site.url, before.name, token=before.token).call("/worker/tasks/next")[0] == 401


def accept(site: Site, token: str, name: str) -> bool:
    """Make an account by an invitation; whether it still serves."""
    desk = Desk(DeskConfig(), site.database, system_clock, renderer=None, store=None)
    try:
        invitations.accept(desk, token, name=name, password=PASSWORD)
    except InvitationGone:
        return False
    return True


@pytest.mark.usefixtures("programs")
def test_a_dump_that_ends_early_leaves_nothing_behind(tmp_path: Path):
    server = PostgresServer(postgres_binaries(), free_port())
    try:
        server.start()
        whole = server.create_database()
        open_database(whole).close()
        dump.take(whole, tmp_path / "whole")
        content = (tmp_path / "whole").read_bytes()
        (tmp_path / "part").write_bytes(content[: len(content) * 9 // 10])
        found = server.create_database()
        with pytest.raises(DeskSetupError, match="pg_restore failed: pg_restore: error"):
            dump.put_back(tmp_path / "part", found)
        dump.put_back(tmp_path / "whole", found)
        with pytest.raises(DeskSetupError, match="is not empty: restore into a new one"):
            dump.put_back(tmp_path / "whole", found)
    finally:
        server.remove()
