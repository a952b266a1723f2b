"""The exceptions of Second Look: each message is one sentence naming what, what is wrong and what to do."""

from __future__ import annotations


class SecondLookError(Exception):
    """Base of all errors that this package raises deliberately; the message is for the person on call.

    ``passing``: whether the same task may succeed later without anyone doing anything. None leaves that to
    the error that this one was raised from; without one, the error does not pass.
    """

    passing: bool | None = None

    def __init__(self, message: str, *, passing: bool | None = None) -> None:
        super().__init__(message)
        if passing is not None:
            self.passing = passing


class SettingsError(SecondLookError):
    """A deployment setting is missing, malformed or contradicts another one."""


class NightError(SecondLookError):
    """A night is not a calendar date written YYYY-MM-DD, or the run cannot process it."""


class ParameterError(SecondLookError):
    """A run has a parameter that its DAG does not know or cannot use."""


class S3UriError(SecondLookError):
    """An address is not of the form ``s3://bucket/key``, or a part of a key is unusable."""


class ResourceNameError(SecondLookError):
    """A name breaks the pattern or the length that the AWS service allows."""


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
    """A review policy is unknown, refuses its parameters or returns something that is not a priority."""


class ReviewInputError(SecondLookError):
    """The input of a review exceeds what Amazon A2I accepts, or no longer matches the ledger."""


class ReviewOutputError(SecondLookError):
    """The output document of a human loop holds no readable answer."""


class BudgetError(SecondLookError):
    """A budget of reviews, or an amount of money, cannot be read, or leaves no room."""


class ManifestError(SecondLookError):
    """A line of an augmented manifest breaks the built-in algorithm's format."""


class VocFolderError(SecondLookError):
    """A VOC folder gives nothing to train on, or most of it is wrong in the same way."""


class TrainingDataError(SecondLookError):
    """The available images cannot be trained on."""


class ReplayError(SecondLookError):
    """Training data cannot be mixed: there is nothing to replay, or the ratio is invalid."""


class ModelFaultError(SecondLookError):
    """The model, or a setting about it, is at fault, not the images: trying again does not help."""

    passing = False


class HumanReviewError(SecondLookError):
    """The human review service could not do what was asked; trying again later may help."""

    passing = True


class ReviewSetupError(HumanReviewError):
    """A person has to change something first, so the task fails without a retry."""

    passing = False
