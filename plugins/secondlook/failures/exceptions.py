"""The exceptions of Second Look: each message is one sentence naming the thing, the fault and the way out."""

from __future__ import annotations


class SecondLookError(Exception):
    """Base of everything this package raises on purpose; the message is meant for the person on call.

    ``passing`` says whether the same task may succeed later although nobody does anything. None leaves it to
    the error that this one was raised from; without such an error it does not pass.
    """

    passing: bool | None = None


class SettingsError(SecondLookError):
    """A deployment setting is missing, malformed or contradicts another one."""


class NightError(SecondLookError):
    """A night is not a calendar date written YYYY-MM-DD, or a run cannot mean it."""


class ParameterError(SecondLookError):
    """A run was given something that its DAG does not know or cannot use."""


class S3UriError(SecondLookError):
    """An address is not of the form ``s3://bucket/key``, or a part of a key is unusable."""


class ResourceNameError(SecondLookError):
    """A name would break the pattern or the length that the AWS service allows."""


class RecordError(SecondLookError):
    """A JSON or JSON Lines document cannot be read; the message names the source and the line."""


class BoxError(SecondLookError):
    """A box has no area, is not finite or lies outside its image."""


class PredictionError(SecondLookError):
    """An endpoint's answer, or a stored prediction, is not a list of detections."""


class LabelError(SecondLookError):
    """A class id has no label, or a label is not in the list of labels."""


class EvaluationError(SecondLookError):
    """Two models cannot be compared: predictions are missing or belong to other images."""


class ReviewPolicyError(SecondLookError):
    """A review policy is unknown, refuses its parameters or returns something that is no priority."""


class ReviewInputError(SecondLookError):
    """What reviewers should see exceeds what Amazon A2I accepts, or no longer matches the ledger."""


class ReviewOutputError(SecondLookError):
    """The output document of a human loop holds no readable answer."""


class BudgetError(SecondLookError):
    """A budget of reviews, or an amount of money, cannot be read, or leaves no room."""


class ManifestError(SecondLookError):
    """A line of an augmented manifest breaks the built-in algorithm's format."""


class VocFolderError(SecondLookError):
    """A VOC folder gives nothing to train on, or most of it is wrong in the same way."""


class TrainingDataError(SecondLookError):
    """The images at hand cannot be trained on."""


class ReplayError(SecondLookError):
    """Training data cannot be mixed: there is nothing to replay, or the ratio makes no sense."""


class ModelFaultError(SecondLookError):
    """The model, or a setting about it, is at fault, not the images: trying again does not help."""

    passing = False
