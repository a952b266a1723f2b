"""The SageMaker Python SDK, used only for the addresses of Amazon's images.

It takes seconds to import and sends telemetry to Amazon unless told not to, so it is imported only when
needed, with telemetry off. Every call to AWS goes through boto3.
"""

from __future__ import annotations

import os
from pathlib import Path

from secondlook.failures.exceptions import SecondLookError

_SETTINGS = Path(__file__).with_name("sdk.yaml")


class NoImageUriError(SecondLookError):
    """Amazon has no image of the algorithm in this Region."""


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
    """Turn off telemetry of the SDK, and of MLflow, which it may load; call before importing the SDK."""
    os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(_SETTINGS)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
