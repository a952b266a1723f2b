"""Reading the audit trail. Names of people are looked up here: of a person who was erased, the pseudonym."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from include.review_desk.audit_trail import actors
from include.review_desk.audit_trail.actions import PERSONAL, Action
from include.review_desk.clock import as_iso
from include.review_desk.errors import InvalidRequest
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Select

    from include.review_desk.storage.database import AnyRow

_trail = schema.audit_trail
_actors = schema.workers.alias("actors")
_people = schema.workers.alias("people")
_keys = schema.api_keys
_teams = schema.workteams
_members = schema.team_members

_ENTRIES = (
    select(
        _trail,
        _actors.c.name.label("actor_name"),
        _actors.c.public_id.label("actor_pseudonym"),
        _people.c.name.label("person_name"),
        _people.c.public_id.label("person_pseudonym"),
        _keys.c.client,
        _teams.c.name.label("team"),
    )
    .outerjoin(_actors, _actors.c.id == _trail.c.actor_id)
    .outerjoin(_people, _people.c.id == _trail.c.person_id)
    .outerjoin(_keys, (_trail.c.actor_kind == actors.KEY) & (_keys.c.access_key_id == _trail.c.actor))
    .outerjoin(_teams, _teams.c.id == _trail.c.team_id)
)


@dataclass(frozen=True)
class Person:
    """``pseudonym`` is the ``workerId`` of output.json."""

    name: str
    pseudonym: str


@dataclass(frozen=True)
class Entry:
    """One act.

    ``actor_name`` is a person's name, an access key id or an account of the operating system; ``client`` is
    whose key it is. ``team`` is None, too, when the team was deleted.
    """

    id: int
    time_ms: int
    actor_kind: str
    actor_name: str | None
    actor_pseudonym: str | None
    client: str | None
    action: str
    object: str | None
    person: Person | None
    team: str | None
    address: str | None

    @property
    def actor(self) -> str:
        """Who acted, in one word or two."""
        return f"{self.actor_kind} {self.actor_name}" if self.actor_name else self.actor_kind


@dataclass(frozen=True)
class Wanted:
    """Which entries; None: all. Times are milliseconds since 1970 UTC, ``until_ms`` is not included.

    ``actor`` is a person's name or pseudonym, an access key id, an account of the operating system, or one of
    the kinds in ``actors.KINDS``. ``team_id``: what concerns this team, and the sign-ins of its members.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    actor: str | None = None
    action: str | None = None
    team_id: int | None = None
    before_id: int | None = None


def read(connection: Connection, wanted: Wanted, *, last: int | None = None) -> Iterator[Entry]:
    """The entries, the oldest first; only the ``last`` ones, if given.

    Raises
    ------
    InvalidRequest
        There is no such action.
    """
    query = _filtered(wanted)
    if last is not None:
        newest = query.with_only_columns(_trail.c.id).order_by(_trail.c.id.desc()).limit(last).subquery()
        query = _ENTRIES.where(_trail.c.id.in_(select(newest.c.id)))
    rows = connection.execution_options(yield_per=1000).execute(query.order_by(_trail.c.id))
    return (_entry(row) for row in rows)


def has_actor(connection: Connection, actor: str) -> bool:
    """Whether there is anyone or anything of this name that could have acted; see ``Wanted``."""
    people, keys = schema.workers, schema.api_keys
    queries = (
        select(people.c.id).where(or_(people.c.name == actor, people.c.public_id == actor)),
        select(keys.c.access_key_id).where(keys.c.access_key_id == actor),
        select(_trail.c.id).where(_trail.c.actor == actor),
    )
    return actor in actors.KINDS or any(connection.execute(query.limit(1)).first() for query in queries)


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as a JSON object; members that do not apply are null."""
    actor = {"kind": entry.actor_kind, "name": entry.actor_name}
    if entry.actor_kind == actors.PERSON:
        actor["worker"] = entry.actor_pseudonym
    if entry.actor_kind == actors.KEY:
        actor["client"] = entry.client
    person = entry.person
    return {
        "id": entry.id,
        "time": as_iso(entry.time_ms),
        "actor": actor,
        "action": entry.action,
        "object": entry.object,
        "person": None if person is None else {"name": person.name, "worker": person.pseudonym},
        "team": entry.team,
        "address": entry.address,
    }


def _filtered(wanted: Wanted) -> Select[Any]:
    query: Select[Any] = _ENTRIES
    if wanted.since_ms is not None:
        query = query.where(_trail.c.time_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(_trail.c.time_ms < wanted.until_ms)
    if wanted.before_id is not None:
        query = query.where(_trail.c.id < wanted.before_id)
    if wanted.action is not None:
        query = query.where(_trail.c.action == _known(wanted.action))
    if wanted.actor is not None:
        names = (_actors.c.name, _actors.c.public_id, _trail.c.actor, _trail.c.actor_kind)
        query = query.where(or_(*(name == wanted.actor for name in names)))
    if wanted.team_id is not None:
        members = select(_members.c.worker_id).where(_members.c.team_id == wanted.team_id)
        of_members = or_(_trail.c.actor_id.in_(members), _trail.c.person_id.in_(members))
        personal = _trail.c.action.in_([str(action) for action in PERSONAL])
        query = query.where(or_(_trail.c.team_id == wanted.team_id, personal & of_members))
    return query


def _known(action: str) -> str:
    if action not in set(Action):
        raise InvalidRequest(f"There is no action {action[:40]!r}: it is one of {', '.join(Action)}.")
    return action


def _entry(row: AnyRow) -> Entry:
    person = None if row.person_name is None else Person(row.person_name, row.person_pseudonym)
    return Entry(
        id=row.id,
        time_ms=row.time_ms,
        actor_kind=row.actor_kind,
        actor_name=row.actor_name if row.actor_kind == actors.PERSON else row.actor,
        actor_pseudonym=row.actor_pseudonym,
        client=row.client,
        action=row.action,
        object=row.object,
        person=person,
        team=row.team,
        address=row.address,
    )
