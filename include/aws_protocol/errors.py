"""The one exception that handlers raise, and how it is written on the wire."""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """An error to return to the caller of an AWS operation.

    Parameters
    ----------
    code
        The error code as AWS names it, e.g. ``ValidationException``; boto3 raises the class of that name.
    message
        One sentence: what, where, what to do.
    status
        HTTP status. Without it the status of the operation's modelled error counts, else 400.
    members
        Further members of the modelled error shape, e.g. ``OriginalStatusCode`` of ``ModelError``.
    """

    def __init__(self, code: str, message: str, status: int | None = None, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members
