"""Tags of flow definitions, human task UIs and work teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select

from include.review_desk import arns
from include.review_desk.errors import InvalidRequest, MissingResource
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.review_desk.context import Desk

MAX_TAGS = 50

_tags = schema.tags
_TABLES = {
    arns.FLOW_DEFINITION: schema.flow_definitions.c.live_name,
    arns.HUMAN_TASK_UI: schema.human_task_uis.c.name,
    arns.WORKTEAM: schema.workteams.c.name,
}


def add(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """AddTags: new values replace old ones of the same key; returns all tags of the resource."""
    with desk.database.write() as connection:
        kind, name = _existing(desk, connection, params["ResourceArn"], lock=True)
        put(connection, kind, name, params["Tags"])
        return {"Tags": _all(connection, kind, name)}


def list_tags(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """ListTags, all of them at once: a resource has 50 at most, and 50 is the smallest page."""
    if "NextToken" in params:
        raise InvalidRequest("NextToken is not one that this service gave out.")
    with desk.database.read() as connection:
        return {"Tags": _all(connection, *_existing(desk, connection, params["ResourceArn"]))}


def remove(desk: Desk, params: Mapping[str, Any]) -> dict[str, Any]:
    """DeleteTags; keys that the resource does not have are ignored."""
    with desk.database.write() as connection:
        kind, name = _existing(desk, connection, params["ResourceArn"])
        connection.execute(
            delete(_tags).where(_tags.c.resource == f"{kind}/{name}", _tags.c.key.in_(params["TagKeys"]))
        )
    return {}


def put(connection: Connection, kind: str, name: str, tags: Sequence[Mapping[str, str]]) -> None:
    """Write tags within the caller's transaction.

    Raises
    ------
    InvalidRequest
        More than 50 in all, or a key twice.
    """
    resource, new = f"{kind}/{name}", {tag["Key"]: tag["Value"] for tag in tags}
    if len(new) != len(tags):
        raise InvalidRequest("Tags holds a key twice.")
    kept = {tag["Key"] for tag in _all(connection, kind, name)} - set(new)
    if len(kept) + len(new) > MAX_TAGS:
        raise InvalidRequest(f"The resource {resource} would have more than {MAX_TAGS} tags.")
    connection.execute(delete(_tags).where(_tags.c.resource == resource, _tags.c.key.in_(new)))
    for key, value in new.items():
        connection.execute(insert(_tags).values(resource=resource, key=key, value=value))


def forget(connection: Connection, kind: str, name: str) -> None:
    """Remove all tags of a resource that is being deleted."""
    connection.execute(delete(_tags).where(_tags.c.resource == f"{kind}/{name}"))


def _all(connection: Connection, kind: str, name: str) -> list[dict[str, str]]:
    rows = connection.execute(
        select(_tags.c.key, _tags.c.value).where(_tags.c.resource == f"{kind}/{name}")
    ).all()
    return [{"Key": row.key, "Value": row.value} for row in sorted(rows, key=lambda row: row.key)]


def _existing(desk: Desk, connection: Connection, arn: str, *, lock: bool = False) -> tuple[str, str]:
    resource = desk.config.arns.resource_of(arn)
    if resource is not None:
        column = _TABLES[resource[0]]
        query = select(column).where(column == resource[1])
        if connection.execute(query.with_for_update() if lock else query).first() is not None:
            return resource
    raise MissingResource(f"The resource {arn} does not exist or cannot carry tags.")
