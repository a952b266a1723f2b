"""What the batch transforms of a night have answered, job by job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondlook.hooks.s3 import ObjectMissingError
from secondlook.records.transforms import OUTPUT_SUFFIX, output_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondlook.hooks.s3 import ObjectStore


def job_folder(outputs: str, number: int, job: str) -> str:
    """Return the key of the output path of a job of round ``number``.

    Each job has its own: an output there says that exactly this job had an answer, whatever others had.
    """
    return f"{outputs}/{number}/{job}"


class RoundOutputs:
    """The outputs of all jobs of a night, as far as they were there when this was made.

    :param outputs: key that all of :func:`job_folder` begin with.
    :param inputs: key that all images begin with, with a slash at its end; a *name* is what follows it.
    :param first_step: folder, with a slash at its end, that every name begins with.
    """

    def __init__(self, store: ObjectStore, outputs: str, inputs: str, first_step: str) -> None:
        self._store = store
        self._outputs = outputs
        self._inputs = inputs
        self._first_step = first_step
        # Folder of a job -> key that its outputs begin with; the earliest round comes first.
        self._roots = {
            folder: output_root(store, f"{folder}/", inputs, self._is_input)
            for _, folder in sorted(self._folders(), key=lambda found: found[0])
        }

    def read(self, name: str) -> bytes:
        """Return the answer about an image; that of the earliest round, if several have one.

        Raises
        ------
        ObjectMissingError
            No job has answered.
        """
        for root in self._roots.values():
            try:
                return self._store.read(root + name + OUTPUT_SUFFIX)[0]
            except ObjectMissingError:
                continue
        raise ObjectMissingError(f"No batch transform has answered about {self._inputs}{name}.")

    def answered(self, number: int, job: str, name: str | None) -> bool:
        """Whether this very job has answered about an image; with None, about any."""
        root = self._roots.get(job_folder(self._outputs, number, job))
        if root is None:
            return False
        if name is None:
            return next(self._names(root), None) is not None
        return self._store.exists(root + name + OUTPUT_SUFFIX)

    def any_name(self) -> str | None:
        """Return the name of an image that a job has answered about; None when there is none."""
        return next((name for root in self._roots.values() for name in self._names(root)), None)

    def _names(self, root: str) -> Iterator[str]:
        for item in self._store.list_objects(root):
            name = item.key.removeprefix(root).removesuffix(OUTPUT_SUFFIX)
            if self._is_input(name):
                yield name

    def _folders(self) -> Iterator[tuple[int, str]]:
        """Yield round and folder of each job that has an output, by one listing for each."""
        after = None
        while item := next(self._store.list_objects(f"{self._outputs}/", after=after), None):
            number, job = item.key.removeprefix(f"{self._outputs}/").split("/")[:2]
            folder = job_folder(self._outputs, int(number), job)
            yield int(number), folder
            after = f"{folder}0"  # the character that follows the slash: on behind the folder

    def _is_input(self, name: str) -> bool:
        return name.startswith(self._first_step) and self._store.exists(self._inputs + name)
