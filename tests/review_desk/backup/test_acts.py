"""Who may come back into a team after a restore."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.actors import act_as, visitor
from include.review_desk.backup import acts
from include.review_desk.people import invitations, leaving, single_sign_on
from include.review_desk.people.single_sign_on import Identity
from include.review_desk.storage import schema
from tests.review_desk.in_process import clock, desk

__all__ = ["clock", "desk"]


@pytest.mark.parametrize(("way", "excluded"), [("group", 0), ("command", 1)])
def test_only_who_was_taken_out_by_people_is_kept_out(desk, way: str, excluded: int):
    invitations.create(desk.database, 1, team="team")

    def enter(*groups: str) -> None:
        with act_as(visitor("192.0.2.7")):
            single_sign_on.sign_in(desk, Identity("https://issuer", "subject", "Ada", frozenset(groups)))

    enter("team")
    if way == "group":
        enter()
    else:
        leaving.remove_from_team(desk.database, desk.clock(), team="team", name="Ada")
    trail, exclusions = schema.audit_trail, schema.team_exclusions
    with desk.database.write() as connection:
        removal = select(trail).where(trail.c.action == str(Action.MEMBER_REMOVED))
        act = dict(connection.execute(removal).one()._mapping)
        # As the backup has it, which was made before.
        connection.execute(exclusions.delete())
        connection.execute(schema.team_members.insert().values(team_id=1, worker_id=1, by_group=True))
        assert acts.repeat(connection, [act], 0) == [act]
    with desk.database.read() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table))
            for table in (schema.team_members, exclusions)
        ]
    assert counts == [0, excluded]


def test_an_erased_name_is_gone_from_the_invitation_of_the_backup_too(desk):
    invitations.create(desk.database, 1, team="team")
    # Invited, but came by the provider.
    invitations.create(desk.database, 1, team="team", name="Ada")
    single_sign_on.sign_in(desk, Identity("https://issuer", "subject", "Ada", frozenset({"team"})))
    workers, invited, trail = schema.workers, schema.invitations, schema.audit_trail
    with desk.database.read() as connection:
        person = connection.execute(select(workers).where(workers.c.name == "Ada")).one()
    act = dict.fromkeys(trail.c.keys())
    act |= {
        "time_ms": desk.clock(),
        "action": str(Action.NAME_ERASED),
        "actor_kind": "command",
        "person_id": person.id,
    }
    with desk.database.write() as connection:
        assert acts.repeat(connection, [act], 0) == [act]
    with desk.database.read() as connection:
        assert "Ada" not in connection.scalars(select(invited.c.name)).all()
        [erased] = connection.execute(select(workers).where(workers.c.id == person.id)).all()
    assert (erased.name, erased.oidc_subject) == (f"erased-{person.public_id}", None)
