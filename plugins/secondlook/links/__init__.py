"""Buttons on a task instance in the Airflow UI that open the thing the task works on."""

from __future__ import annotations

from secondlook.links.console import EndpointLink, ReviewLink, TrainingJobLink, TransformJobLink

__all__ = ["EndpointLink", "ReviewLink", "TrainingJobLink", "TransformJobLink"]
