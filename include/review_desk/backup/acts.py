"""What was taken away since the backup stays taken away: keys, accounts, memberships, invitations, passwords.

The acts are rows of the audit trail. They name people and teams by their ids, which mean the same in the
backup as long as they are there at all; ids that are not are of rows made since, which are gone anyway. An
act that a later one undid is left out: what the backup says then holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from include.review_desk.audit_trail import actors
from include.review_desk.audit_trail.actions import Action
from include.review_desk.audit_trail.record import unrecorded
from include.review_desk.people import accounts, leaving
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

Act = dict[str, Any]
Repeat = Callable[[Connection, Act], None]

# What begins as long before a backup may be committed after it.
MARGIN_MS = 600_000

_workers = schema.workers
_members = schema.team_members
_teams = schema.workteams
_invitations = schema.invitations
_trail = schema.audit_trail


def _named(act: Act) -> str:
    return str(act["object"]).partition("/")[2]


def _revoke_key(connection: Connection, act: Act) -> None:
    keys = schema.api_keys
    mine = (keys.c.access_key_id == _named(act), keys.c.revoked_ms.is_(None))
    connection.execute(update(keys).where(*mine).values(revoked_ms=act["time_ms"]))


def _close_account(connection: Connection, act: Act) -> None:
    accounts.close(connection, act["time_ms"], act["person_id"])


def _erase_name(connection: Connection, act: Act) -> None:
    person = connection.execute(select(_workers).where(_workers.c.id == act["person_id"])).one()
    leaving.erase(connection, act["time_ms"], person)


def _remove_member(connection: Connection, act: Act) -> None:
    pair = {"team_id": act["team_id"], "worker_id": act["person_id"]}
    removed = connection.execute(
        delete(_members).where(
            _members.c.team_id == pair["team_id"], _members.c.worker_id == pair["worker_id"]
        )
    )
    # Whom a sign-in without the group removed may come back with the group.
    if removed.rowcount and act["actor_kind"] != actors.VISITOR:
        excluded = schema.team_exclusions
        connection.execute(insert(excluded).values(created_ms=act["time_ms"], **pair))


def _demote_lead(connection: Connection, act: Act) -> None:
    mine = (_members.c.team_id == act["team_id"], _members.c.worker_id == act["person_id"])
    connection.execute(update(_members).where(*mine).values(lead=False))


def _end_invitation(connection: Connection, act: Act) -> None:
    connection.execute(
        delete(_invitations).where(
            _invitations.c.token_sha256.startswith(_named(act), autoescape=True),
            _invitations.c.used_ms.is_(None),
        )
    )


def _forget_password(connection: Connection, act: Act) -> None:
    connection.execute(update(_workers).where(_workers.c.id == whose(act)).values(password_hash=None))


def _remove_second_factor(connection: Connection, act: Act) -> None:
    for table in (schema.second_factors, schema.recovery_codes):
        connection.execute(delete(table).where(table.c.worker_id == whose(act)))


def _replace_second_factor(connection: Connection, act: Act) -> None:
    """The new one is lost with the database, and the password alone must not do."""
    _remove_second_factor(connection, act)
    _forget_password(connection, act)


_REPEATED: dict[str, Repeat] = {
    Action.KEY_REVOKED: _revoke_key,
    Action.ACCOUNT_CLOSED: _close_account,
    Action.NAME_ERASED: _erase_name,
    Action.MEMBER_REMOVED: _remove_member,
    Action.LEAD_DEMOTED: _demote_lead,
    Action.INVITATION_USED: _end_invitation,
    Action.INVITATION_WITHDRAWN: _end_invitation,
    Action.PASSWORD_CHANGED: _forget_password,
    Action.SECOND_FACTOR_REMOVED: _remove_second_factor,
    Action.SECOND_FACTOR_SET: _replace_second_factor,
}
# Keys and invitations have names of their own: it does not matter whether the backup has who acted.
_NAMED = (Action.KEY_REVOKED, Action.INVITATION_USED, Action.INVITATION_WITHDRAWN)
FORGETTING = (Action.PASSWORD_CHANGED, Action.SECOND_FACTOR_SET)
"""After these a person has no password: what it was changed to is not known."""

_UNDONE_BY = {
    Action.ACCOUNT_OPENED: Action.ACCOUNT_CLOSED,
    Action.MEMBER_ADDED: Action.MEMBER_REMOVED,
    Action.LEAD_MADE: Action.LEAD_DEMOTED,
    Action.SECOND_FACTOR_SET: Action.SECOND_FACTOR_REMOVED,
}


def repeat(connection: Connection, acts: Sequence[Act], begun_ms: int) -> list[Act]:
    """Repeat what was taken away since a backup began; returns those acts."""
    recent = [act for act in acts if act["time_ms"] >= begun_ms - MARGIN_MS and _is_meant(connection, act)]
    last: dict[tuple[str, ...], Act] = {}
    for act in recent:
        action = _UNDONE_BY.get(Action(act["action"]), act["action"])
        # Who is named by an act about a key or an invitation is not whose it is.
        person = None if action in _NAMED else whose(act)
        last[str(action), str(act["object"]), str(person), str(act["team_id"])] = act
    repeated = [act for act in last.values() if act["action"] in _REPEATED]
    with unrecorded(connection):
        for act in repeated:
            _REPEATED[act["action"]](connection, act)
    return repeated


def whose(act: Act) -> int | None:
    """The person that an act is about, who may be the one who acts."""
    person: int | None = act["actor_id"] if act["person_id"] is None else act["person_id"]
    return person


def complete_trail(connection: Connection, acts: Sequence[Act]) -> None:
    """Add the acts that the audit trail of the backup does not have."""
    columns = [column for column in _trail.c if column.name != "id"]
    for act in acts:
        people = (act["person_id"], act["actor_id"])
        if act["trimmed_ms"] is not None or not _are_there(connection, people, act["team_id"]):
            continue
        same = [column.is_not_distinct_from(act[column.name]) for column in columns]
        if connection.execute(select(_trail.c.id).where(*same)).first() is None:
            connection.execute(insert(_trail).values(act))


def _is_meant(connection: Connection, act: Act) -> bool:
    """Whether the ids of an act mean rows of the backup."""
    return act["action"] in _NAMED or _are_there(connection, (whose(act),), act["team_id"])


def _are_there(connection: Connection, people: Sequence[int | None], team_id: int | None) -> bool:
    wanted = [(_workers, person) for person in people]
    return all(
        row_id is None or connection.scalar(select(table.c.id).where(table.c.id == row_id)) is not None
        for table, row_id in (*wanted, (_teams, team_id))
    )
