"""The desk's errors, each with one sentence for the person or program that made the request.

The API maps them to the service's error codes, web pages map them to HTTP statuses; the domain knows neither.
"""

from __future__ import annotations


class DeskError(Exception):
    """Base of all errors that the caller can do something about."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(DeskError):
    """The request contradicts the documentation or the present state of the resource."""


class MissingResource(DeskError):
    """The named resource does not exist."""


class NameInUse(DeskError):
    """A resource with this name exists already."""


class LimitExceeded(DeskError):
    """No more resources of this kind are allowed."""


class LoopConflict(DeskError):
    """A human loop of this name exists with other input."""


class NotSignedIn(DeskError):
    """The worker's token is missing, wrong or expired, or name and password do not fit."""


class Forbidden(DeskError):
    """Signed in, but not allowed: no CSRF token, or not the lead of this team."""


class SecondFactorNeeded(NotSignedIn):
    """The password is right, and the person has a second factor: a code is needed, too.

    ``password_sha256`` is of the stored hash, so that what comes of this ends when the password changes.
    """

    def __init__(self, worker_id: int, name: str, password_sha256: str) -> None:
        super().__init__('This account has a second factor: send its code, too ("code").')
        self.worker_id = worker_id
        self.name = name
        self.password_sha256 = password_sha256


class AccessDenied(DeskError):
    """The program's key is not made for this operation, team or part of S3."""


class InvitationGone(DeskError):
    """The invitation is unknown, was used or has expired."""


class SingleSignOnFailed(DeskError):
    """The OpenID Connect provider does not answer, refuses, or sends an answer that cannot be trusted."""


class TooManyAttempts(DeskError):
    """Too many failed sign-ins."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class MissingTask(DeskError):
    """No such task of this worker."""


class TaskGone(DeskError):
    """The task is no longer the worker's: answered otherwise, declined, timed out or withdrawn."""


class BodyTooLarge(DeskError):
    """The request body is larger than allowed."""


class BadAnswer(DeskError):
    """The answer does not fit the worker template."""


class DeskSetupError(DeskError):
    """The desk cannot start with these options."""


class JournalError(DeskError):
    """The journal cannot be written, so nothing was done.

    The text is for the person who runs the desk and names the file; ``message`` is for everybody else.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__("The Review Desk cannot keep this at present, and has not done it. Try again later.")
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class RenderFailure(DeskError):
    """A worker template that cannot be rendered with this input.

    ``code`` is what RenderUiTemplate reports: ``TemplateSyntaxError``, ``InvalidParameters`` or
    ``TemplateLimitExceeded``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LinkUnavailable(RenderFailure):
    """No link to S3 can be signed at present. The template is not at fault; a later attempt may succeed."""


class OutOfReach(RenderFailure):
    """A link to an object that the key behind this rendering may not read."""
