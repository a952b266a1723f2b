"""The HTTP status of each of the desk's errors, the same for pages and for JSON."""

from __future__ import annotations

from include.review_desk.errors import (
    BodyTooLarge,
    DeskError,
    Forbidden,
    InvitationGone,
    JournalError,
    MissingTask,
    NameInUse,
    NotSignedIn,
    SecondFactorNeeded,
    SingleSignOnFailed,
    TaskGone,
    TooManyAttempts,
)

_BAD_REQUEST = 400
_OTHERS: dict[type[DeskError], int] = {
    NotSignedIn: 401,
    SecondFactorNeeded: 401,
    Forbidden: 403,
    MissingTask: 404,
    NameInUse: 409,
    TaskGone: 409,
    InvitationGone: 410,
    BodyTooLarge: 413,
    TooManyAttempts: 429,
    SingleSignOnFailed: 502,
    JournalError: 503,
}


def http_status(error: DeskError) -> int:
    """The status to answer with."""
    return _OTHERS.get(type(error), _BAD_REQUEST)
