"""The team of the harness at the Review Desk, and the labels that it draws."""

from __future__ import annotations

TEAM = "night-team"
WORKER = ("alice", "alice's long password")
LABELS = ("square", "bar")
