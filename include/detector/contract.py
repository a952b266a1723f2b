"""Where SageMaker's container contract puts things.

Source: SageMaker Developer Guide, "Use Your Own Training Algorithms" and "... Inference Code".
``SAGEMAKER_BASE_DIR`` replaces ``/opt/ml`` and ``SAGEMAKER_BIND_TO_PORT`` replaces 8080, as in SageMaker's
own toolkits.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_FAILURE_CHARACTERS = 1024


@dataclass(frozen=True)
class Channel:
    """One entry of ``inputdataconfig.json``."""

    name: str
    pipe: bool
    content_type: str
    directory: Path
    """In File mode the channel's files; in Pipe mode the named pipes are ``<directory>_0``, ``_1``, ..."""

    @property
    def first_pipe(self) -> Path:
        """The named pipe that carries the first epoch."""
        return self.directory.with_name(f"{self.name}_0")


@dataclass(frozen=True)
class Layout:
    """The directories of one container."""

    base: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Layout:
        """Read the base directory from the environment; it is ``/opt/ml`` by default."""
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def model(self) -> Path:
        """Where a training job leaves its model and a server finds it."""
        return self.base / "model"

    @property
    def failure(self) -> Path:
        """The file whose first 1,024 characters become the job's FailureReason."""
        return self.base / "output" / "failure"

    def hyperparameters(self) -> dict[str, Any]:
        """Return ``hyperparameters.json``; all values should be strings."""
        return self._read_config("hyperparameters")

    def channels(self) -> dict[str, Channel]:
        """Return the channels by name."""
        channels = {}
        for name, entry in self._read_config("inputdataconfig").items():
            entry = entry if isinstance(entry, dict) else {}
            channels[name] = Channel(
                name=name,
                pipe=entry.get("TrainingInputMode", "File") == "Pipe",
                content_type=str(entry.get("ContentType") or ""),
                directory=self.base / "input" / "data" / name,
            )
        return channels

    def current_host(self) -> str:
        """Return this machine's name in the job, for the metric lines."""
        path = self.base / "input" / "config" / "resourceconfig.json"
        if not path.exists():
            return "algo-1"
        return str(self._read_config("resourceconfig").get("current_host") or "algo-1")

    def write_failure(self, reason: str) -> None:
        """Write the reason of a failed job to where SageMaker looks for it."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(reason[:MAX_FAILURE_CHARACTERS], encoding="utf-8")

    def _read_config(self, name: str) -> dict[str, Any]:
        path = self.base / "input" / "config" / f"{name}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path.name} of the training job cannot be read: {error}.") from error
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path.name} of the training job does not hold a JSON object.")
        return content


def bind_port(environment: Mapping[str, str] = os.environ) -> int:
    """Return the port that ``serve`` listens on: ``SAGEMAKER_BIND_TO_PORT``, by default 8080."""
    text = environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"SAGEMAKER_BIND_TO_PORT is {text!r}; expected a port number.")
    return int(text)


def bind_host(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address that ``serve`` binds: loopback, unless ``SECONDLOOK_DETECTOR_HOST`` says otherwise.

    A container on SageMaker is reached from outside and needs ``0.0.0.0``.
    """
    return environment.get("SECONDLOOK_DETECTOR_HOST") or "127.0.0.1"


def answer_form(forms: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """Return the form of answers with ``annotation=1``: ``SECONDLOOK_DETECTOR_ANSWER_FORM``, or the first."""
    form = environment.get("SECONDLOOK_DETECTOR_ANSWER_FORM") or forms[0]
    if form not in forms:
        raise ConfigurationError(
            f"SECONDLOOK_DETECTOR_ANSWER_FORM is {form!r}; expected one of {', '.join(forms)}."
        )
    return form
