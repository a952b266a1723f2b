"""What Alembic runs: migrations on the connection, and in the transaction, that storage/upgrade.py opened."""

from __future__ import annotations

from alembic import context

from include.review_desk.storage import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    # SQLite can change few things about a table in place: Alembic rebuilds it.
    render_as_batch=True,
)
context.run_migrations()
