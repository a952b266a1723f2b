"""What neither database is to be asked for: text that PostgreSQL cannot hold, numbers beyond 64 bits.

SQLite keeps a NUL character and PostgreSQL refuses it, each in its own way and late. Refusing it here, with
one sentence and before any statement runs, makes the two alike wherever the text came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from include.review_desk.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

_MAX_INTEGER = 2**63 - 1


def refuse_unstorable_values(engine: Engine) -> None:
    """Make every statement on ``engine`` raise InvalidRequest when a value of it cannot be stored."""
    event.listen(engine, "before_cursor_execute", _check)


def _check(_connection: Any, _cursor: Any, _sql: str, parameters: Any, _context: Any, many: bool) -> None:
    for row in parameters if many else (parameters,):
        _check_values(row.values() if isinstance(row, dict) else row)


def _check_values(values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
            raise InvalidRequest("A number in the request is larger than anything can be here.")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidRequest("The request holds text with a NUL character: leave it out.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidRequest("The request holds text that is not valid Unicode.") from None
