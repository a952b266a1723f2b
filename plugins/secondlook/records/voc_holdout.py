"""The holdout: labelled images that no model learns from, frozen once for each version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.formats.voc import leftover
from secondlook import jsonl
from secondlook.failures.exceptions import VocFolderError
from secondlook.hooks.s3 import ObjectChangedError
from secondlook.layout import below, steps
from secondlook.records.training_data import TrainingDataReader
from secondlook.records.voc_folder import VocFolder
from secondlook.records.voc_intake import VocIntake
from secondlook.training import write_manifest

if TYPE_CHECKING:
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.runtime.task_log import Log
    from secondlook.training import ManifestLine


class HoldoutFreezing:
    """Freezes VOC folders below ``holdout/<version>/voc/<slice>/`` as one manifest; never changes one.

    Parameters
    ----------
    store, layout
        The deployment's bucket, and where things lie in it.
    version
        Of the holdout.
    labels
        Label names, index = class id.
    log
        The task's log; it accounts for every file.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, version: str, labels: tuple[str, ...], log: Log
    ) -> None:
        self._store = store
        self._layout = layout
        self._version = version
        self._labels = labels
        self._log = log

    def freeze(self) -> tuple[ManifestLine, ...]:
        """Write the manifest unless there is one; return its lines, none when no image was uploaded.

        Raises
        ------
        VocFolderError
            Images were uploaded and none can be used, or most of them have the same fault.
        """
        version = self._version
        reader = TrainingDataReader(self._store, self._layout, self._labels, self._log)
        key = self._layout.holdout_manifest(version)
        if self._store.exists(key):
            self._log.info("The holdout %s is frozen already.", self._store.uri(key))
            return reader.holdout(version).lines
        lines: list[ManifestLine] = []
        rejected: list[dict[str, Any]] = []
        first_of: dict[str, str] = {}
        intakes = self._slices()
        for part, intake in intakes.items():
            intake.tell_unread_lists()
            found = intake.usable(intake.names, job_name=f"holdout/{version}", part=part, first_of=first_of)
            lines += [image.line for image in found]
            rejected += intake.rejected
            intake.log_account()
        if intakes:
            self._store.write(self._layout.holdout_rejected(version), jsonl.encode(rejected))
        for intake in intakes.values():
            intake.refuse_one_fault_of_all()
        if not lines:
            self._tell_of_no_holdout(uploaded=bool(intakes))
            return ()
        try:
            self._store.write_if_absent(key, write_manifest(lines))
        except ObjectChangedError:
            self._log.info("Another run has just frozen the holdout %s.", version)
        self._log.info("Holdout %s is frozen with %d images, %d faults.", version, len(lines), len(rejected))
        return reader.holdout(version).lines

    def _tell_of_no_holdout(self, *, uploaded: bool) -> None:
        """Warn that no model can be promoted; fail when images were uploaded and none can be used."""
        version = self._version
        if not uploaded:
            self._log.warning(
                "There is no holdout %s: no model can be promoted until its manifest is written.", version
            )
            return
        uploads = self._layout.uri(self._layout.holdout_voc(version))
        clean = self._layout.uri(self._layout.holdout_slice(version, "clean"))
        raise VocFolderError(
            f"{uploads} gives no usable image to judge models with: "
            f"each slice is a folder of its own with JPEGImages and Annotations ({clean}/JPEGImages); see "
            f"{self._layout.uri(self._layout.holdout_rejected(version))}."
        )

    def _slices(self) -> dict[str, VocIntake]:
        uploads = self._layout.holdout_voc(self._version)
        keys = [item.key for item in self._store.list_objects(f"{uploads}/")]
        parts = sorted({steps(uploads, key)[0] for key in keys if not leftover(below(uploads, key))})
        folders = {part: self._layout.holdout_slice(self._version, part) for part in parts}
        return {
            part: VocIntake(VocFolder(self._store, folder, self._labels), self._layout.uri(folder), self._log)
            for part, folder in folders.items()
        }
