"""Where settings come from: a TOML file, and an Airflow Variable merged over it."""

from __future__ import annotations

import json
import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from secondlook.failures.exceptions import SettingsError
from secondlook.runtime.task_log import leave_log_group
from secondlook.settings.model import Settings, parse_settings

SETTINGS_ENVIRONMENT_VARIABLE = "SECONDLOOK_SETTINGS"
SETTINGS_AIRFLOW_VARIABLE = "secondlook_settings"
DEFAULT_SETTINGS_FILE = Path(__file__).with_name("secondlook.toml")


def load_settings() -> Settings:
    """Read the settings file and merge the Airflow Variable over it. Call inside a task only.

    Raises
    ------
    SettingsError
        The file cannot be read, the Variable is not a JSON object, or a value is wrong.
    """
    path = Path(os.environ.get(SETTINGS_ENVIRONMENT_VARIABLE) or DEFAULT_SETTINGS_FILE)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}): create it or let "
            f"{SETTINGS_ENVIRONMENT_VARIABLE} name another file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from None
    override = _airflow_variable()
    source = str(path) + (f" and the Airflow Variable {SETTINGS_AIRFLOW_VARIABLE}" if override else "")
    return parse_settings(merge(values, override), source)


def _airflow_variable() -> dict[str, Any]:
    from airflow.sdk import Variable

    text = Variable.get(SETTINGS_AIRFLOW_VARIABLE, default=None)
    if not text:
        return {}
    try:
        override = json.loads(text)
    except ValueError as error:
        raise SettingsError(
            f"The Airflow Variable {SETTINGS_AIRFLOW_VARIABLE} is not JSON: {error}."
        ) from None
    if not isinstance(override, dict):
        raise SettingsError(
            f"The Airflow Variable {SETTINGS_AIRFLOW_VARIABLE} must be a JSON object with settings, "
            f"not a {type(override).__name__}."
        )
    return override


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """``override`` over ``base``; objects are merged key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


class LazySettings:
    """The template macro ``settings``: ``{{ settings.bucket }}``. Loads once, when first used."""

    @cached_property
    def _loaded(self) -> Settings:
        try:
            return load_settings()
        except SettingsError:
            leave_log_group()
            raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in Settings.model_fields:
            raise AttributeError(f"There is no setting named {name!r}.")
        return getattr(self._loaded, name)

    def __repr__(self) -> str:
        # The same text at every parse, so the DAG's serialized form does not change.
        return "<settings>"


def choose(value: Any, default: Any) -> Any:
    """``value`` unless it is None: fields left empty in the trigger form come from the settings."""
    return default if value is None else value
