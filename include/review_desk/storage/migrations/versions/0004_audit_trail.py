"""The audit trail, names that were erased, people who were taken out of a team, who made an invitation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from include.review_desk.storage import append_only

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add them."""
    op.add_column("workers", sa.Column("erased_ms", sa.BigInteger()))
    with op.batch_alter_table("invitations") as invitations:
        invitations.add_column(sa.Column("made_by", sa.Integer()))
        invitations.create_foreign_key("invitations_made_by_fkey", "workers", ["made_by"], ["id"])
    op.create_table(
        "team_exclusions",
        sa.Column(
            "team_id", sa.Integer(), sa.ForeignKey("workteams.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("worker_id", sa.Integer(), sa.ForeignKey("workers.id"), primary_key=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "audit_trail",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.Integer()),
        sa.Column("actor", sa.String(64)),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("object", sa.String(160)),
        sa.Column("person_id", sa.Integer()),
        sa.Column("team_id", sa.Integer()),
        sa.Column("address", sa.String(45)),
        sa.Column("trimmed_ms", sa.BigInteger()),
        sa.CheckConstraint("trimmed_ms < time_ms", name="audit_trail_trims_the_past"),
        sqlite_autoincrement=True,
    )
    for column in ("time_ms", "action", "person_id", "team_id"):
        op.create_index(f"ix_audit_trail_{column}", "audit_trail", [column])
    trimmed = sa.text("trimmed_ms IS NOT NULL")
    op.create_index(
        "audit_trail_trimmed",
        "audit_trail",
        ["trimmed_ms"],
        sqlite_where=trimmed,
        postgresql_where=trimmed,
    )
    append_only.guard(op.get_bind())
