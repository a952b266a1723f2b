"""Errors of this package, each with one sentence for the user."""

from __future__ import annotations


class LocalSageMakerError(Exception):
    """Base of this package's errors; the text is one sentence for the user."""


class ConfigurationError(LocalSageMakerError):
    """The server cannot start with these settings."""


class JobError(LocalSageMakerError):
    """A job or an endpoint failed for the reason that goes into its FailureReason."""


class ObjectMissingError(JobError):
    """A bucket or an object that a job needs does not exist."""
