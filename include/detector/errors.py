"""The detector's errors; each message is one sentence that says what was wrong and where."""

from __future__ import annotations


class DetectorError(Exception):
    """Base of the detector's errors; the message is one sentence for a person."""


class ConfigurationError(DetectorError):
    """A hyperparameter or a channel is missing, unknown or out of range."""


class TrainingDataError(DetectorError):
    """A record of a training channel cannot be used."""


class ArtifactError(DetectorError):
    """A model archive or directory does not hold a usable SSD model."""


class ImageError(DetectorError):
    """Bytes that should have been a JPEG or PNG image are not one, or not a safe one."""
