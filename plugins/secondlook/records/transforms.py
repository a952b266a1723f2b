"""Batch transform: the manifest that goes in, and where the outputs come out.

Form of the manifest: SageMaker API Reference, S3DataSource, ManifestFile.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

from secondlook.layout import below, ends

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondlook.hooks.s3 import ObjectStore

OUTPUT_SUFFIX = ".out"
# A key has at most 1,024 bytes (Amazon S3 User Guide, "Naming Amazon S3 objects"), and JSON takes at most six
# characters for one of them.
MAX_NAME_BYTES = 8 * 1024
_END = b"\n]\n"


class ManifestWriter:
    """Writes ``[{"prefix": "s3://..."}, "name", ...]`` name by name.

    :param file: open for writing, at its start.
    :param folder: address of the folder that all objects lie in, ``s3://bucket/folder``.
    """

    def __init__(self, file: BinaryIO, folder: str) -> None:
        self._file = file
        self.names = 0
        self._file.write(b"[\n" + json.dumps({"prefix": f"{folder}/"}).encode())

    def add(self, name: str) -> None:
        """Add the rest of one object's address."""
        self._file.write(b",\n" + json.dumps(name).encode())
        self.names += 1

    def close(self) -> None:
        """End the document and go back to the file's start."""
        self._file.write(_END)
        self._file.seek(0)


def last_name(end: bytes) -> str:
    """Return the last name of a manifest, given its last ``MAX_NAME_BYTES`` bytes."""
    return str(json.loads(end.removesuffix(_END).rpartition(b"\n")[2]))


def output_key(root: str, name: str) -> str:
    """Return the output of the input called ``name``."""
    return f"{root}/{name}{OUTPUT_SUFFIX}"


def input_name(root: str, key: str) -> str:
    """Return the name of the input whose output this is."""
    return below(root, key).removesuffix(OUTPUT_SUFFIX)


def output_root(store: ObjectStore, folder: str, inputs: str, is_input: Callable[[str], bool]) -> str:
    """Return the folder of the outputs: the output of ``<inputs>/<name>`` is ``<root>/<name>.out``.

    A batch transform repeats below its output path some of the folders that its inputs lie in; which ones,
    the outputs tell. A folder of images may have the same name as one of those folders, so what follows the
    repeated folders has to be the name of an input, for as many outputs as it takes to leave one reading.

    Parameters
    ----------
    folder
        Key of the output path.
    inputs
        Key of the folder that all inputs lie in.
    is_input
        Whether ``<inputs>/<name>`` is one of the inputs, given the name.
    """
    roots = [f"{folder}/{repeated}" for repeated in ends(inputs)] + [folder]
    for item in store.list_objects(f"{folder}/"):
        if not item.key.endswith(OUTPUT_SUFFIX):
            continue
        possible = [
            root for root in roots if item.key.startswith(f"{root}/") and is_input(input_name(root, item.key))
        ]
        # What is the output of no input, whatever is repeated, says nothing.
        roots = possible or roots
        if len(roots) == 1:
            break
    return roots[-1]
