"""What the batch transforms of a night have answered, job by job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.hooks.s3 import ObjectMissingError
from secondlook.layout import behind, below
from secondlook.records.transforms import input_name, output_key, output_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import TransformFolder


class WaveOutputs:
    """The outputs of all jobs of a night, as far as they were there when this was made.

    :param folder: the night's transform.
    :param inputs: key of the folder of all images; a *name* is what follows it and a slash.
    :param first_step: folder, with a slash at its end, that every name begins with.
    """

    def __init__(self, store: ObjectStore, folder: TransformFolder, inputs: str, first_step: str) -> None:
        self._store = store
        self._folder = folder
        self._inputs = inputs
        self._first_step = first_step
        # Folder of a job -> key that its outputs begin with; the earliest wave comes first.
        self._roots = {
            path: output_root(store, path, inputs, self._is_input)
            for _, path in sorted(self._paths(), key=lambda found: found[0])
        }

    def read(self, name: str) -> bytes:
        """Return the answer about an image; that of the earliest wave, if several have one.

        Raises
        ------
        ObjectMissingError
            No job has answered.
        """
        for root in self._roots.values():
            try:
                return self._store.read(output_key(root, name))[0]
            except ObjectMissingError:
                continue
        raise ObjectMissingError(f"No batch transform has answered about {self._inputs}/{name}.")

    def answered(self, number: int, job: str, name: str | None) -> bool:
        """Whether this very job has answered about an image; with None, about any."""
        root = self._roots.get(self._folder.job(number, job))
        if root is None:
            return False
        if name is None:
            return next(self._names(root), None) is not None
        return self._store.exists(output_key(root, name))

    def name(self, key: str) -> str:
        """Return the name of an image, given its key."""
        return below(self._inputs, key)

    def any_name(self) -> str | None:
        """Return the name of an image that a job has answered about; None when there is none."""
        return next((name for root in self._roots.values() for name in self._names(root)), None)

    def _names(self, root: str) -> Iterator[str]:
        for item in self._store.list_objects(f"{root}/"):
            name = input_name(root, item.key)
            if self._is_input(name):
                yield name

    def _paths(self) -> Iterator[tuple[int, str]]:
        """Yield wave and output path of each job that has an output, by one listing for each."""
        outputs, after = self._folder.outputs(), None
        while item := next(self._store.list_objects(f"{outputs}/", after=after), None):
            number, job = self._folder.job_of(item.key)
            path = self._folder.job(number, job)
            yield number, path
            after = behind(path)

    def _is_input(self, name: str) -> bool:
        return name.startswith(self._first_step) and self._store.exists(f"{self._inputs}/{name}")
