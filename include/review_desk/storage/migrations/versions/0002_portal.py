"""What the portal needs: accounts without a password, invitations, API keys, events, pauses, corrections.

The version of the tables is Alembic's from here on; the table ``meta`` that held it goes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Change and add them."""
    # On SQLite this rebuilds the table, which loses whatever is not stated here.
    with op.batch_alter_table("workers", table_kwargs={"sqlite_autoincrement": True}) as workers:
        workers.alter_column("password_hash", existing_type=sa.Text(), nullable=True)
        workers.add_column(sa.Column("oidc_issuer", sa.String(255)))
        workers.add_column(sa.Column("oidc_subject", sa.String(255)))
        workers.add_column(sa.Column("disabled_ms", sa.BigInteger()))
        workers.create_unique_constraint("workers_oidc", ["oidc_issuer", "oidc_subject"])
    for name in ("lead", "by_group"):
        op.add_column(
            "team_members", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.add_column(
        "assignments", sa.Column("paused_ms", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("assignments", sa.Column("paused_since_ms", sa.BigInteger()))
    op.add_column(
        "assignments", sa.Column("corrections", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("assignments", sa.Column("edits", sa.Text()))
    op.create_index("assignments_by_worker", "assignments", ["worker_id", "submitted_ms"])
    ended = sa.text("ended_ms IS NOT NULL AND live_name IS NOT NULL")
    op.create_index(
        "human_loops_ended", "human_loops", ["status"], sqlite_where=ended, postgresql_where=ended
    )
    _create_invitations()
    _create_api_keys()
    _create_events()
    op.drop_table("meta")


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("team_id", sa.Integer(), sa.ForeignKey("workteams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(128)),
        sa.Column("lead", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger()),
        sa.Column("worker_id", sa.Integer(), sa.ForeignKey("workers.id")),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("access_key_id", sa.String(32), primary_key=True),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger()),
        sa.Column("last_used_ms", sa.BigInteger()),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("destination", sa.String(16), nullable=False),
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(200)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_next_attempt_ms", "events", ["next_attempt_ms"])
