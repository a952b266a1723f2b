"""What Second Look adds to the Airflow UI."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from secondlook.runtime.links import EndpointLink, ReviewLink, TrainingJobLink, TransformJobLink


class SecondLookPlugin(AirflowPlugin):
    """Registers the links of the package's operators."""

    name = "secondlook"
    operator_extra_links: list[Any] = [  # noqa: RUF012 - Airflow declares it so
        EndpointLink(),
        TrainingJobLink(),
        TransformJobLink(),
        ReviewLink(),
    ]
