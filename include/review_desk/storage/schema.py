"""The tables of the desk, in SQL that SQLite and PostgreSQL share.

Times are milliseconds since 1970 UTC. A name that becomes free again after deletion lives in a nullable,
unique ``live_name``: cleared on deletion, while the row stays for what still refers to it. ARNs are never
stored: they are made of the names, so that a database can move to another account or Region.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    CursorResult,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()


def _identity() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


workers = Table(
    "workers",
    metadata,
    _identity(),
    Column("name", String(128), nullable=False, unique=True),
    # None: the person signs in by OpenID Connect only.
    Column("password_hash", Text),
    Column("oidc_issuer", String(255)),
    Column("oidc_subject", String(255)),
    # What output.json calls workerId and identityData.sub: opaque, so that no name leaves the desk.
    Column("public_id", String(32), nullable=False, unique=True),
    Column("subject", String(64), nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    # Set when the account was closed: no sign-in, no session, answers stay.
    Column("disabled_ms", BigInteger),
    # Set when the name was erased: the account stays closed, its name is made of public_id.
    Column("erased_ms", BigInteger),
    UniqueConstraint("oidc_issuer", "oidc_subject", name="workers_oidc"),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("worker_id", ForeignKey("workers.id"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    # The latest request, to the minute: a session that is left idle ends before it expires.
    Column("seen_ms", BigInteger, nullable=False, server_default=text("0")),
)

# Time-based codes (RFC 6238) that a person signs in with besides the password.
second_factors = Table(
    "second_factors",
    metadata,
    Column("worker_id", ForeignKey("workers.id"), primary_key=True),
    # Encrypted with a key that is derived from the desk's own.
    Column("secret", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # None: not in force until the person has entered a first code.
    Column("confirmed_ms", BigInteger),
    # The latest time step whose code was used: a code serves once.
    Column("last_step", BigInteger, nullable=False, server_default=text("0")),
)

# What signs a person in who has lost the second factor; each serves once and is then deleted.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("worker_id", ForeignKey("workers.id"), primary_key=True),
    Column("code_sha256", String(64), primary_key=True),
)

workteams = Table(
    "workteams",
    metadata,
    _identity(),
    Column("name", String(63), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    # Members, notification and access settings as the API took them (JSON), given back unchanged.
    Column("settings", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

team_members = Table(
    "team_members",
    metadata,
    Column("team_id", ForeignKey("workteams.id", ondelete="CASCADE"), primary_key=True),
    Column("worker_id", ForeignKey("workers.id"), primary_key=True),
    # Team leads see the overview and invite people.
    Column("lead", Boolean, nullable=False, server_default=false()),
    # Member because of a group in the OpenID Connect token: taken away when a later token lacks the group.
    Column("by_group", Boolean, nullable=False, server_default=false()),
)

# People whom a lead took out of a team: their groups do not bring them back, an invitation or command does.
team_exclusions = Table(
    "team_exclusions",
    metadata,
    Column("team_id", ForeignKey("workteams.id", ondelete="CASCADE"), primary_key=True),
    Column("worker_id", ForeignKey("workers.id"), primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
)

# Links by which people make their account themselves; each serves once.
invitations = Table(
    "invitations",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("team_id", ForeignKey("workteams.id", ondelete="CASCADE"), nullable=False),
    # None: the person chooses.
    Column("name", String(128)),
    Column("lead", Boolean, nullable=False, server_default=false()),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("worker_id", ForeignKey("workers.id")),
    # The lead who made it; None: a command did.
    Column("made_by", ForeignKey("workers.id")),
)

# Programs that may call the AWS API. Their secrets are derived from the desk's own key, never stored.
api_keys = Table(
    "api_keys",
    metadata,
    Column("access_key_id", String(32), primary_key=True),
    Column("client", String(128), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    # runtime | admin
    Column("operations", String(16), nullable=False, server_default="admin"),
    # The name of the only team that the key may act for; None: any.
    Column("team", String(63)),
    # JSON lists of s3://bucket/prefix/ that the key may read and write; None: all that the desk may.
    Column("read_prefixes", Text),
    Column("write_prefixes", Text),
)

templates = Table(
    "templates",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)

human_task_uis = Table(
    "human_task_uis",
    metadata,
    _identity(),
    Column("name", String(63), nullable=False, unique=True),
    Column("template_sha256", ForeignKey("templates.sha256"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

flow_definitions = Table(
    "flow_definitions",
    metadata,
    _identity(),
    Column("name", String(63), nullable=False),
    Column("live_name", String(63), unique=True),
    Column("status", String(16), nullable=False),
    Column("team_id", Integer, nullable=False, index=True),
    Column("human_task_ui", String(63), nullable=False),
    # HumanLoopConfig, OutputConfig and RoleArn as the API took them (JSON).
    Column("config", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # What the key that made it may read; as api_keys.read_prefixes.
    Column("read_prefixes", Text),
    sqlite_autoincrement=True,
)

human_loops = Table(
    "human_loops",
    metadata,
    _identity(),
    Column("name", String(63), nullable=False),
    Column("live_name", String(63), unique=True),
    Column("flow_id", ForeignKey("flow_definitions.id"), nullable=False, index=True),
    Column("flow_name", String(63), nullable=False),
    Column("team_id", Integer, nullable=False),
    Column("template_sha256", ForeignKey("templates.sha256"), nullable=False),
    Column("input_content", Text, nullable=False),
    Column("data_attributes", Text, nullable=False),
    Column("output_uri", Text, nullable=False),
    Column("task_count", Integer, nullable=False),
    # People who may still take the loop: task_count less those at work and those who answered; 0 once closed.
    Column("open_slots", Integer, nullable=False),
    Column("answers", Integer, nullable=False, server_default=text("0")),
    Column("status", String(16), nullable=False),
    Column("failure_code", String(32)),
    Column("failure_reason", String(1024)),
    Column("created_ms", BigInteger, nullable=False),
    Column("available_until_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("deleted_ms", BigInteger),
    # What both the key that started it and the flow definition's may read; as api_keys.read_prefixes.
    Column("read_prefixes", Text),
    sqlite_autoincrement=True,
)
Index("human_loops_by_flow", human_loops.c.flow_name, human_loops.c.created_ms, human_loops.c.id)
# The queue, oldest first. Partial: loops that cannot be taken cost nothing, however many there are.
Index(
    "human_loops_queue",
    human_loops.c.team_id,
    human_loops.c.created_ms,
    human_loops.c.id,
    sqlite_where=text("open_slots > 0"),
    postgresql_where=text("open_slots > 0"),
)
Index(
    "human_loops_open",
    human_loops.c.status,
    human_loops.c.available_until_ms,
    sqlite_where=text("ended_ms IS NULL"),
    postgresql_where=text("ended_ms IS NULL"),
)
# Counting loops by status must not read their inputs.
Index(
    "human_loops_ended",
    human_loops.c.status,
    sqlite_where=text("ended_ms IS NOT NULL AND live_name IS NOT NULL"),
    postgresql_where=text("ended_ms IS NOT NULL AND live_name IS NOT NULL"),
)

assignments = Table(
    "assignments",
    metadata,
    _identity(),
    Column("task", String(64), nullable=False, unique=True),
    Column("loop_id", ForeignKey("human_loops.id", ondelete="CASCADE"), nullable=False),
    Column("worker_id", ForeignKey("workers.id"), nullable=False),
    Column("session_sha256", String(64), nullable=False),
    # working | answered | declined | expired | returned | withdrawn
    Column("state", String(16), nullable=False),
    Column("accepted_ms", BigInteger, nullable=False),
    Column("limit_ms", BigInteger, nullable=False),
    Column("lease_expires_ms", BigInteger, nullable=False),
    Column("submitted_ms", BigInteger),
    Column("answer", Text),
    Column("decline_reason", String(500)),
    # Pauses do not count as time spent: those that are over, and since when the present one lasts.
    Column("paused_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("paused_since_ms", BigInteger),
    Column("corrections", Integer, nullable=False, server_default=text("0")),
    # What became of the model's boxes (JSON of counts); None where the template drew none.
    Column("edits", Text),
    # The rule "never the same person twice" is the database's, whatever two sessions do at once.
    UniqueConstraint("loop_id", "worker_id"),
    sqlite_autoincrement=True,
)
Index(
    "assignments_working",
    assignments.c.lease_expires_ms,
    sqlite_where=text("state = 'working'"),
    postgresql_where=text("state = 'working'"),
)

# A person's latest answers, and what was answered on a day.
Index("assignments_by_worker", assignments.c.worker_id, assignments.c.submitted_ms)

# Loops whose output.json S3 has not taken yet.
outbox = Table(
    "outbox",
    metadata,
    Column("loop_id", ForeignKey("human_loops.id", ondelete="CASCADE"), primary_key=True),
    Column("final_status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_ms", BigInteger, nullable=False, index=True),
    Column("queued_ms", BigInteger, nullable=False),
    Column("last_error", String(200)),
)

# Status changes that a webhook or a queue has not taken yet.
events = Table(
    "events",
    metadata,
    _identity(),
    # webhook | queue
    Column("destination", String(16), nullable=False),
    Column("loop_id", Integer, nullable=False),
    # The EventBridge event as it is sent, byte for byte the same at every attempt.
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_ms", BigInteger, nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_error", String(200)),
    sqlite_autoincrement=True,
)

tags = Table(
    "tags",
    metadata,
    # <kind>/<name>, for example flow-definition/nightly
    Column("resource", String(160), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)

# Who did what. Rows are added, and removed by age alone, which the triggers of storage.append_only hold: a
# migration must not rebuild the table. It names people by number only and refers to no other table, so that
# nothing that is deleted or renamed elsewhere touches it.
audit_trail = Table(
    "audit_trail",
    metadata,
    _identity(),
    Column("time_ms", BigInteger, nullable=False, index=True),
    # person | visitor | key | command | desk
    Column("actor_kind", String(16), nullable=False),
    # Of a person: workers.id.
    Column("actor_id", Integer),
    # Of a key: its access key id. Of a command: the operating system's account that ran it.
    Column("actor", String(64)),
    Column("action", String(32), nullable=False, index=True),
    # <kind>/<name>, for example loop/image-1.
    Column("object", String(160)),
    # The person that the act is about: workers.id.
    Column("person_id", Integer, index=True),
    # Not the name: a later team of the same name is another one.
    Column("team_id", Integer, index=True),
    Column("address", String(45)),
    # Of a removal by age: all rows before this time are gone, and may go.
    Column("trimmed_ms", BigInteger),
    CheckConstraint("trimmed_ms < time_ms", name="audit_trail_trims_the_past"),
    sqlite_autoincrement=True,
)
Index(
    "audit_trail_trimmed",
    audit_trail.c.trimmed_ms,
    sqlite_where=text("trimmed_ms IS NOT NULL"),
    postgresql_where=text("trimmed_ms IS NOT NULL"),
)

operation_counts = Table(
    "operation_counts",
    metadata,
    Column("operation", String(80), primary_key=True),
    Column("count", BigInteger, nullable=False),
)


# See storage.facts.
desk_facts = Table(
    "desk_facts",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)


def inserted_id(result: CursorResult[Any]) -> int:
    """The ``id`` of the one row that an INSERT made."""
    key = result.inserted_primary_key
    if key is None:
        raise RuntimeError("The INSERT returned no key.")
    return int(key[0])
