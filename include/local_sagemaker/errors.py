"""What can go wrong, in one sentence each."""

from __future__ import annotations


class LocalSageMakerError(Exception):
    """Base of this package's errors; the text is one sentence for the user."""


class ConfigurationError(LocalSageMakerError):
    """The server cannot start with what it was given."""


class JobError(LocalSageMakerError):
    """A job or an endpoint failed for a reason that its FailureReason is to tell."""


class ObjectMissingError(JobError):
    """A bucket or an object that a job needs does not exist."""
