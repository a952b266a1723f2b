"""What the audit trail records."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One act. The object is named in brackets; the person and the team that it is about are told besides."""

    # sign-in/password, sign-in/single-sign-on, sign-in/invitation; of failures the reason.
    SIGNED_IN = "signed-in"
    SIGN_IN_FAILED = "sign-in-failed"
    SESSIONS_ENDED = "sessions-ended"
    PASSWORD_CHANGED = "password-changed"
    SECOND_FACTOR_SET = "second-factor-set"
    SECOND_FACTOR_REMOVED = "second-factor-removed"

    # invitation/<first characters of its hash>
    INVITATION_MADE = "invitation-made"
    INVITATION_USED = "invitation-used"
    INVITATION_WITHDRAWN = "invitation-withdrawn"

    # key/<access key id>
    KEY_MADE = "key-made"
    KEY_REVOKED = "key-revoked"

    ACCOUNT_MADE = "account-made"
    ACCOUNT_OPENED = "account-opened"
    ACCOUNT_CLOSED = "account-closed"
    NAME_ERASED = "name-erased"

    # team/<name>
    MEMBER_ADDED = "member-added"
    MEMBER_REMOVED = "member-removed"
    LEAD_MADE = "lead-made"
    LEAD_DEMOTED = "lead-demoted"
    TEAM_CHANGED = "team-changed"
    TEAM_DELETED = "team-deleted"

    # loop/<name>, flow-definition/<name>, human-task-ui/<name>
    LOOP_STOPPED = "loop-stopped"
    LOOP_DELETED = "loop-deleted"
    FLOW_DELETED = "flow-deleted"
    TASK_UI_DELETED = "task-ui-deleted"
    ANSWER_CORRECTED = "answer-corrected"

    # overview/<team>; trail/<team>, or trail for all of it
    OVERVIEW_EXPORTED = "overview-exported"
    TRAIL_EXPORTED = "trail-exported"
    # trail/<day>
    TRAIL_TRIMMED = "trail-trimmed"


PERSONAL = (
    Action.SIGNED_IN,
    Action.SIGN_IN_FAILED,
    Action.SESSIONS_ENDED,
    Action.PASSWORD_CHANGED,
    Action.SECOND_FACTOR_SET,
    Action.SECOND_FACTOR_REMOVED,
)
"""Acts of a person in no team in particular; the leads of all their teams see them."""
