"""The tables of version 1, as desks on SQLite had them before migrations were kept.

Constraints without a name get PostgreSQL's own (``workers_name_key``); SQLite needs none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "flow_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("live_name", sa.String(63)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("human_task_ui", sa.String(63), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("live_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_flow_definitions_team_id", "flow_definitions", ["team_id"])
    op.create_table(
        "meta",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "operation_counts",
        sa.Column("operation", sa.String(80), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("operation"),
    )
    op.create_table(
        "tags",
        sa.Column("resource", sa.String(160), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("resource", "key"),
    )
    op.create_table(
        "templates",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("public_id", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "workteams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "human_loops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("live_name", sa.String(63)),
        sa.Column("flow_id", sa.Integer(), nullable=False),
        sa.Column("flow_name", sa.String(63), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("template_sha256", sa.String(64), nullable=False),
        sa.Column("input_content", sa.Text(), nullable=False),
        sa.Column("data_attributes", sa.Text(), nullable=False),
        sa.Column("output_uri", sa.Text(), nullable=False),
        sa.Column("task_count", sa.Integer(), nullable=False),
        sa.Column("open_slots", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("failure_code", sa.String(32)),
        sa.Column("failure_reason", sa.String(1024)),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("available_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("deleted_ms", sa.BigInteger()),
        sa.ForeignKeyConstraint(["flow_id"], ["flow_definitions.id"]),
        sa.ForeignKeyConstraint(["template_sha256"], ["templates.sha256"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("live_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("human_loops_by_flow", "human_loops", ["flow_name", "created_ms", "id"])
    op.create_index(
        "human_loops_open",
        "human_loops",
        ["status", "available_until_ms"],
        sqlite_where=sa.text("ended_ms IS NULL"),
        postgresql_where=sa.text("ended_ms IS NULL"),
    )
    op.create_index(
        "human_loops_queue",
        "human_loops",
        ["team_id", "created_ms", "id"],
        sqlite_where=sa.text("open_slots > 0"),
        postgresql_where=sa.text("open_slots > 0"),
    )
    op.create_index("ix_human_loops_flow_id", "human_loops", ["flow_id"])
    op.create_table(
        "human_task_uis",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("template_sha256", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["template_sha256"], ["templates.sha256"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("ix_sessions_expires_ms", "sessions", ["expires_ms"])
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["workteams.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"]),
        sa.PrimaryKeyConstraint("team_id", "worker_id"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("session_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=False),
        sa.Column("limit_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("submitted_ms", sa.BigInteger()),
        sa.Column("answer", sa.Text()),
        sa.Column("decline_reason", sa.String(500)),
        sa.ForeignKeyConstraint(["loop_id"], ["human_loops.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("loop_id", "worker_id"),
        sa.UniqueConstraint("task"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "assignments_working",
        "assignments",
        ["lease_expires_ms"],
        sqlite_where=sa.text("state = 'working'"),
        postgresql_where=sa.text("state = 'working'"),
    )
    op.create_table(
        "outbox",
        sa.Column("loop_id", sa.Integer(), nullable=False),
        sa.Column("final_status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(200)),
        sa.ForeignKeyConstraint(["loop_id"], ["human_loops.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("loop_id"),
    )
    op.create_index("ix_outbox_next_attempt_ms", "outbox", ["next_attempt_ms"])
