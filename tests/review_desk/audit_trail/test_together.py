"""An act and its record are one transaction: where nothing can be recorded, nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import MetaData, select, text
from sqlalchemy.exc import OperationalError

from include.review_desk.audit_trail import entries
from include.review_desk.aws_api import flows, task_uis, teams
from include.review_desk.loops import lifecycle
from include.review_desk.people import (
    accounts,
    api_keys,
    invitations,
    leaving,
    sessions,
    single_sign_on,
    workers,
)
from include.review_desk.people import teams as teams_of_people
from include.review_desk.people.desk_key import DeskKey
from include.review_desk.people.limits import SignInLimiter
from include.review_desk.people.single_sign_on import Identity
from include.review_desk.storage import schema
from include.review_desk.work import submission, tasks
from tests.review_desk.in_process import clock, desk, sign_in, start, status
from tests.support.reviewer import PASSWORD

__all__ = ["clock", "desk"]

INVITATION = schema.invitations


class Life:
    """A desk on which everything can be done that is recorded, once."""

    def __init__(self, desk, folder) -> None:
        self.desk = desk
        self.database = desk.database
        self.key = DeskKey(folder / "key")
        self.person = sign_in(desk, "ada")
        self.lead = self.member_of_team("lead", lead=True)
        self.member_of_team("bob", lead=False)
        start(desk, "answered", TaskCount=2)
        self.answered = tasks.next_task(desk, self.person).task
        submission.answer(desk, self.person, self.answered, {"a": 1}, correctable=True)
        start(desk, "running")
        start(desk, "over")
        lifecycle.stop(desk, "over")
        self.access_key_id, _ = api_keys.create_key(self.database, self.key, desk.clock(), "client")
        self.link = invitations.create(self.database, desk.clock(), team="team").token
        (self.open,) = invitations.list_open(self.database, desk.clock())
        task_uis.create(desk, {"HumanTaskUiName": "unused", "UiTemplate": {"Content": "x"}})
        groups = [{"OidcMemberDefinition": {"Groups": ["g"]}}]
        teams.create(desk, {"WorkteamName": "empty", "Description": "x", "MemberDefinitions": groups})
        single_sign_on.sign_in(desk, self.identity("g"))

    def member_of_team(self, name: str, *, lead: bool) -> sessions.Worker:
        """A person with two sessions. Without a password: hashing one takes a while."""
        now_ms = self.desk.clock()
        with self.database.write() as connection:
            worker_id = workers.insert_worker(connection, now_ms, name=name)
            teams_of_people.ensure_member(
                connection, now_ms, teams_of_people.team_id(connection, "team"), worker_id, lead=lead
            )
            for _ in range(2):
                session = sessions.start_session(self.desk, connection, worker_id=worker_id, name=name)
        return sessions.authenticate(self.desk, session.token)

    def identity(self, *groups: str) -> Identity:
        return Identity("https://issuer", "subject", "Eve", frozenset(groups))

    def pseudonym(self, name: str) -> str:
        query = select(schema.workers.c.public_id).where(schema.workers.c.name == name)
        with self.database.read() as connection:
            return str(connection.scalar(query))

    def everything(self) -> dict[str, list[Any]]:
        metadata = MetaData()
        with self.database.read() as connection:
            metadata.reflect(connection)
            return {
                name: sorted(map(repr, connection.execute(select(table))))
                for name, table in metadata.tables.items()
            }


def password(life: Life, name: str = "ada", given: str = PASSWORD) -> None:
    workers.sign_in(life.desk, SignInLimiter(), name=name, password=given, address="here")


def add(life: Life, **options: Any) -> None:
    given = {"team": "team", "name": "ada", "password": PASSWORD} | options
    workers.add_worker(life.database, life.desk.clock(), **given)


def after_closing(life: Life) -> None:
    accounts.remove_worker(life.database, life.desk.clock(), "bob")


ACTS: dict[str, Callable[[Life], object]] = {
    "signed-in": password,
    "sessions-ended": lambda life: sessions.sign_out_elsewhere(life.desk, life.lead),
    "password-changed": lambda life: workers.change_password(
        life.desk, life.person, old=PASSWORD, new="another password", address="here"
    ),
    "password-changed by command": lambda life: add(life, password="another password"),
    "invitation-made": lambda life: invitations.create_as_lead(life.desk, life.lead, team="team"),
    "invitation-used": lambda life: invitations.accept(life.desk, life.link, name="new", password=PASSWORD),
    "invitation-withdrawn": lambda life: invitations.withdraw(life.database, 1, life.open.id),
    "invitation-withdrawn by lead": lambda life: invitations.withdraw_as_lead(
        life.desk, life.lead, team="team", invitation_id=life.open.id
    ),
    "key-made": lambda life: api_keys.create_key(life.database, life.key, 1, "other"),
    "key-revoked": lambda life: api_keys.revoke_key(life.database, 1, life.access_key_id),
    "account-made": lambda life: add(life, name="new"),
    "account-closed": after_closing,
    "name-erased": lambda life: leaving.erase_worker(life.database, 1, "bob"),
    "member-added": lambda life: add(life, team="empty"),
    "member-removed": lambda life: leaving.remove_from_team(life.database, 1, team="team", name="bob"),
    "member-removed by lead": lambda life: leaving.remove_as_lead(
        life.desk, life.lead, team="team", pseudonym=life.pseudonym("bob")
    ),
    "member-removed by group": lambda life: single_sign_on.sign_in(life.desk, life.identity()),
    "lead-made": lambda life: add(life, lead=True),
    "lead-demoted": lambda life: leaving.demote_lead(life.database, 1, team="team", name="lead"),
    "team-changed": lambda life: teams.update_team(life.desk, {"WorkteamName": "empty", "Description": "y"}),
    "team-deleted": lambda life: teams.delete_team(life.desk, "empty"),
    "loop-stopped": lambda life: lifecycle.stop(life.desk, "running"),
    "loop-deleted": lambda life: lifecycle.delete(life.desk, "over"),
    "flow-deleted": lambda life: flows.delete_flow(life.desk, "flow"),
    "task-ui-deleted": lambda life: task_uis.delete_ui(life.desk, "unused"),
    "answer-corrected": lambda life: submission.correct(life.desk, life.person, life.answered, {"a": 2}),
}


@pytest.fixture
def life(desk, tmp_path) -> Life:
    return Life(desk, tmp_path)


def rename(life: Life, before: str, after: str) -> None:
    with life.database.write() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


@pytest.mark.parametrize("name", ACTS)
def test_an_act_and_its_record_exist_together_or_not_at_all(life: Life, name: str):
    wanted = entries.Wanted(action=name.split()[0])
    with life.database.read() as connection:
        earlier = len(list(entries.read(connection, wanted)))
    rename(life, "audit_trail", "away")
    before = life.everything()
    with pytest.raises(OperationalError, match="no such table: audit_trail"):
        ACTS[name](life)
    assert life.everything() == before
    rename(life, "away", "audit_trail")
    ACTS[name](life)
    with life.database.read() as connection:
        assert len(list(entries.read(connection, wanted))) == earlier + 1


def test_stopping_twice_is_one_act(life: Life):
    lifecycle.stop(life.desk, "running")
    lifecycle.stop(life.desk, "running")
    api_keys.revoke_key(life.database, 1, life.access_key_id)
    api_keys.revoke_key(life.database, 1, life.access_key_id)
    after_closing(life)
    after_closing(life)
    with life.database.read() as connection:
        done = [(e.action, e.object) for e in entries.read(connection, entries.Wanted())]
    assert done.count(("loop-stopped", "loop/running")) == 1
    assert [action for action, _ in done].count("key-revoked") == 1
    assert [action for action, _ in done].count("account-closed") == 1
    assert status(life.desk, "running") == "Stopped"
