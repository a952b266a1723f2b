"""The SageMaker Python SDK, for what it knows better than we do: the addresses of Amazon's images.

It takes seconds to import and reports its use to Amazon unless told not to: it is imported when asked, and
told first. Every call to AWS goes through boto3.
"""

from __future__ import annotations

import os
from pathlib import Path

from secondlook.failures.exceptions import SecondLookError

_SETTINGS = Path(__file__).with_name("sdk.yaml")


class NoImageUriError(SecondLookError):
    """Amazon has no image of the algorithm in a Region."""


def object_detection_image(region: str) -> str:
    """Return the address of Amazon's built-in Object Detection image in a Region.

    Raises
    ------
    NoImageUriError
        The Region has none.
    """
    report_nothing()
    from sagemaker.core import image_uris  # type: ignore[import-untyped]

    try:
        return str(image_uris.retrieve("object-detection", region))
    except ValueError as error:
        raise NoImageUriError(
            f"Amazon's Object Detection image is not known for the Region {region} "
            f"({str(error).split('.')[0]}): give the setting image_uri."
        ) from None


def report_nothing() -> None:
    """Switch off what the SDK, and MLflow that it may load, report; before the SDK is imported."""
    os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(_SETTINGS)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
