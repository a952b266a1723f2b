"""Triggers by which the database itself keeps the audit trail append-only.

A row is never changed. It is deleted only if a row of the trail says that everything before a later time was
removed (``trimmed_ms``), so there is no removal without its record. This holds against mistakes and
injected SQL; the owner of the tables can drop the triggers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_REFUSAL = "The audit trail is append-only."

_SQLITE = (
    f"""
    CREATE TRIGGER audit_trail_no_update BEFORE UPDATE ON audit_trail
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END
    """,
    f"""
    CREATE TRIGGER audit_trail_no_delete BEFORE DELETE ON audit_trail
    WHEN NOT EXISTS (SELECT 1 FROM audit_trail WHERE trimmed_ms > OLD.time_ms)
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above.
    f"""
    CREATE TRIGGER audit_trail_no_replace BEFORE INSERT ON audit_trail
    WHEN EXISTS (SELECT 1 FROM audit_trail WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END
    """,
)
_POSTGRESQL = (
    f"""
    CREATE FUNCTION audit_trail_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM audit_trail WHERE trimmed_ms > OLD.time_ms) THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_trail_rows BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION audit_trail_append_only()
    """,
    """
    CREATE TRIGGER audit_trail_truncate BEFORE TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_append_only()
    """,
)


def guard(connection: Connection) -> None:
    """Make the triggers on a table ``audit_trail`` that was just made."""
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)
