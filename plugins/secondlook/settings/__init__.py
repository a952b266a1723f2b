"""Settings of a deployment: bucket, roles, names, labels, instance types and a night's defaults.

One TOML file holds the settings (``SECONDLOOK_SETTINGS`` names it; the default, ``secondlook.toml``, lies in
this folder); the Airflow Variable ``secondlook_settings``, a JSON object, is merged over it key by key.
Nothing here is read while a DAG file is parsed: DAGs get :class:`LazySettings` as a template macro, which
loads on first use, inside the task.
"""

from __future__ import annotations

from secondlook.settings.loading import (
    DEFAULT_SETTINGS_FILE,
    SETTINGS_AIRFLOW_VARIABLE,
    SETTINGS_ENVIRONMENT_VARIABLE,
    LazySettings,
    choose,
    load_settings,
    merge,
)
from secondlook.settings.model import Settings, parse_settings
from secondlook.settings.sections import (
    ArchiveSettings,
    BootstrapSettings,
    EvaluationSettings,
    ReviewSettings,
    Section,
    ServingSettings,
    TrainingSettings,
)

__all__ = [
    "DEFAULT_SETTINGS_FILE",
    "SETTINGS_AIRFLOW_VARIABLE",
    "SETTINGS_ENVIRONMENT_VARIABLE",
    "ArchiveSettings",
    "BootstrapSettings",
    "EvaluationSettings",
    "LazySettings",
    "ReviewSettings",
    "Section",
    "ServingSettings",
    "Settings",
    "TrainingSettings",
    "choose",
    "load_settings",
    "merge",
    "parse_settings",
]
