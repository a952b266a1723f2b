"""What each API key is for, when a session was last used, second factors.

Keys, flow definitions and loops that are there already go on as before: all operations, any team, any object.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add them."""
    op.add_column("api_keys", sa.Column("operations", sa.String(16), nullable=False, server_default="admin"))
    op.add_column("api_keys", sa.Column("team", sa.String(63)))
    op.add_column("api_keys", sa.Column("read_prefixes", sa.Text()))
    op.add_column("api_keys", sa.Column("write_prefixes", sa.Text()))
    op.add_column("flow_definitions", sa.Column("read_prefixes", sa.Text()))
    op.add_column("human_loops", sa.Column("read_prefixes", sa.Text()))
    op.add_column(
        "sessions", sa.Column("seen_ms", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    # The upgrade itself signs no one out.
    sessions = sa.table("sessions", sa.column("seen_ms", sa.BigInteger()))
    op.execute(sa.update(sessions).values(seen_ms=int(time.time() * 1000)))
    op.create_table(
        "second_factors",
        sa.Column("worker_id", sa.Integer(), sa.ForeignKey("workers.id"), primary_key=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_ms", sa.BigInteger()),
        sa.Column("last_step", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("worker_id", sa.Integer(), sa.ForeignKey("workers.id"), primary_key=True),
        sa.Column("code_sha256", sa.String(64), primary_key=True),
    )
