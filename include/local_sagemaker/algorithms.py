"""Which command runs in place of which container image."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from include.local_sagemaker.errors import ConfigurationError, JobError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Algorithm:
    """A command that follows SageMaker's container contract; ``train`` or ``serve`` is appended to it.

    ``environment`` plays the part of an image's ``ENV`` lines: a model's own environment overrides it.
    """

    image: str
    command: tuple[str, ...]
    working_directory: str
    environment: dict[str, str] = field(default_factory=dict)


class Algorithms:
    """The ``[[algorithm]]`` tables of a TOML file, in order; the first whose ``image`` matches is used.

    Raises
    ------
    ConfigurationError
        When the file cannot be read or a table lacks a key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            document = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"The algorithms file {path} cannot be read: {error}.") from error
        tables = document.get("algorithm")
        if not isinstance(tables, list) or not tables:
            raise ConfigurationError(f"The algorithms file {path} has no [[algorithm]] table.")
        self._algorithms = [_algorithm(path, number, table) for number, table in enumerate(tables, 1)]

    def find(self, image: str) -> Algorithm:
        """Return the algorithm of an image.

        Raises
        ------
        JobError
            When no table matches.
        """
        for algorithm in self._algorithms:
            if fnmatchcase(image, algorithm.image):
                return algorithm
        raise JobError(
            f"No [[algorithm]] in {self.path.name} has an `image` pattern that matches {image}; "
            "add one, or correct the image."
        )


def _algorithm(path: Path, number: int, table: Any) -> Algorithm:
    where = f"[[algorithm]] number {number} in {path}"
    if not isinstance(table, dict) or not isinstance(table.get("image"), str):
        raise ConfigurationError(f'{where} needs `image`, a glob such as "*/object-detection:*".')
    command = table.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise ConfigurationError(f"{where} needs `command`, a list of strings.")
    working_directory = table.get("working_directory", "/")
    if not isinstance(working_directory, str):
        raise ConfigurationError(f"{where} has a `working_directory` that is not a string.")
    environment = table.get("environment", {})
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        raise ConfigurationError(f"{where} has an `environment` that is not a table of strings.")
    return Algorithm(table["image"], tuple(command), working_directory, environment)
