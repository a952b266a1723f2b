"""Pages of lists, by position of the last row, so that new rows neither repeat nor hide others."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_

from include.review_desk.clock import as_milliseconds
from include.review_desk.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.review_desk.storage.database import AnyRow

DEFAULT_PAGE_SIZE = 100
_MAX_INTEGER = 2**63 - 1
_NOT_OURS = "NextToken is not one that this service gave out."
_PAGING_MEMBERS = ("NextToken", "MaxResults")


@dataclass(frozen=True)
class Order:
    """What a list is sorted by: ``column``, then ``identity`` to break ties."""

    column: ColumnElement[Any]
    identity: ColumnElement[int]
    descending: bool


def sort_order(
    params: Mapping[str, Any],
    column: ColumnElement[Any],
    identity: ColumnElement[int],
    default: str = "Descending",
) -> Order:
    """Order by ``column`` in the direction of SortOrder, or of ``default`` where the call names none."""
    return Order(column, identity, params.get("SortOrder", default) == "Descending")


def created_between(params: Mapping[str, Any], column: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """Conditions of CreationTimeAfter (that moment or later) and CreationTimeBefore (earlier)."""
    conditions: list[ColumnElement[bool]] = []
    if "CreationTimeAfter" in params:
        conditions.append(column >= as_milliseconds(params["CreationTimeAfter"]))
    if "CreationTimeBefore" in params:
        conditions.append(column < as_milliseconds(params["CreationTimeBefore"]))
    return conditions


def fetch_page(
    connection: Connection, query: Select[Any], order: Order, params: Mapping[str, Any]
) -> tuple[Sequence[AnyRow], str | None]:
    """Return one page of ``query`` and the token of the next.

    ``query`` must select ``order.column`` labelled ``sort_key`` and ``order.identity`` labelled ``identity``.

    Raises
    ------
    InvalidRequest
        NextToken is not one of ours, or belongs to a call with other filters.
    """
    size = int(params.get("MaxResults", DEFAULT_PAGE_SIZE))
    if "NextToken" in params:
        query = query.where(_after(order, *_read_token(params, order.column.type.python_type)))
    if order.descending:
        query = query.order_by(order.column.desc(), order.identity.desc())
    else:
        query = query.order_by(order.column.asc(), order.identity.asc())
    rows = connection.execute(query.limit(size + 1)).all()
    if len(rows) <= size:
        return rows, None
    last = rows[size - 1]
    return rows[:size], _make_token(params, last.sort_key, last.identity)


def _after(order: Order, sort_key: Any, identity: int) -> ColumnElement[bool]:
    if order.descending:
        return or_(order.column < sort_key, and_(order.column == sort_key, order.identity < identity))
    return or_(order.column > sort_key, and_(order.column == sort_key, order.identity > identity))


def _filters_digest(params: Mapping[str, Any]) -> str:
    filters = {key: str(value) for key, value in params.items() if key not in _PAGING_MEMBERS}
    return hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:16]


def _make_token(params: Mapping[str, Any], sort_key: Any, identity: int) -> str:
    text = json.dumps([_filters_digest(params), sort_key, identity])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(params: Mapping[str, Any], kind: type) -> tuple[Any, int]:
    try:
        value = json.loads(base64.urlsafe_b64decode(str(params["NextToken"]).encode()))
        digest, sort_key, identity = value
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest(_NOT_OURS) from None
    if digest != _filters_digest(params):
        raise InvalidRequest("NextToken belongs to a call with other filters: repeat them unchanged.")
    if not _is_key(identity, int) or not _is_key(sort_key, kind):
        raise InvalidRequest(_NOT_OURS)
    return sort_key, identity


def _is_key(value: Any, kind: type) -> bool:
    """Whether the value is of a form that the database can compare with its keys."""
    if kind is int:
        return type(value) is int and 0 <= value <= _MAX_INTEGER
    return isinstance(value, str) and value.isascii() and "\0" not in value
