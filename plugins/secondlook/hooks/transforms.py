"""Batch transform: the manifest that goes in, and where the outputs come out.

Form of the manifest: SageMaker API Reference, S3DataSource, ManifestFile.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from secondlook.hooks.store import ObjectStore

OUTPUT_SUFFIX = ".out"


class ManifestWriter:
    """Writes ``[{"prefix": "s3://..."}, "name", ...]`` name by name.

    :param file: open for writing, at its start.
    :param prefix: what all addresses begin with, ``s3://bucket/folder/``.
    """

    def __init__(self, file: BinaryIO, prefix: str) -> None:
        self._file = file
        self.names = 0
        self._file.write(b"[\n" + json.dumps({"prefix": prefix}).encode())

    def add(self, name: str) -> None:
        """Add the rest of one object's address."""
        self._file.write(b",\n" + json.dumps(name).encode())
        self.names += 1

    def close(self) -> None:
        """End the document and go back to the file's start."""
        self._file.write(b"\n]\n")
        self._file.seek(0)


def output_root(store: ObjectStore, folder: str, inputs: str) -> str:
    """Return the folder of the outputs: the output of ``<inputs><name>`` is ``<root><name>.out``.

    A batch transform repeats below its output path some of the folders that its inputs lie in; which ones,
    the first output tells.

    Parameters
    ----------
    folder
        Key of the output path, with a slash at its end.
    inputs
        Key that all inputs begin with, with a slash at its end.
    """
    outputs = (item.key for item in store.list_objects(folder) if item.key.endswith(OUTPUT_SUFFIX))
    first = next(outputs, folder).removeprefix(folder)
    steps = inputs.rstrip("/").split("/")
    for start in range(len(steps)):
        repeated = "/".join(steps[start:]) + "/"
        if first.startswith(repeated):
            return folder + repeated
    return folder
