"""The first model's training set: a PASCAL VOC folder in S3, packed as RecordIO files and manifests."""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING

from include.formats.detection_record import pack_detection_record
from include.formats.recordio import frame
from secondlook import jsonl
from secondlook.failures.exceptions import VocFolderError
from secondlook.hooks.s3 import SHA256
from secondlook.names import digest
from secondlook.records.voc_folder import VocFolder
from secondlook.records.voc_intake import VocIntake
from secondlook.training import write_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.records.voc_folder import VocImage
    from secondlook.runtime.task_log import Log
    from secondlook.training import ImageIdentities


class BootstrapPacking:
    """Packs ``bootstrap/voc/``; the same images give the same bytes.

    Parameters
    ----------
    store, layout
        The deployment's bucket, and where things lie in it.
    labels
        Label names, index = class id.
    validation_share
        Share of images to validate with when ``ImageSets/Main`` names none.
    held_out
        Images of the holdout: they are left out.
    log
        The task's log; it accounts for every file.
    """

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        labels: tuple[str, ...],
        validation_share: float,
        held_out: ImageIdentities,
        log: Log,
    ) -> None:
        self._store = store
        self._layout = layout
        self._labels = labels
        self._validation_share = validation_share
        self._held_out = held_out
        self._log = log

    def pack(self) -> dict[str, int]:
        """Write both splits and the list of what is left out; return numbers of images.

        Raises
        ------
        VocFolderError
            The folder gives nothing to train or validate with, or most of it has the same fault.
        """
        address = self._layout.uri(self._layout.bootstrap_voc())
        folder = VocFolder(self._store, self._layout.bootstrap_voc(), self._labels)
        intake = VocIntake(folder, address, self._log)
        splits, kept_back = self._splits(folder)
        first_of: dict[str, str] = {}
        counts = {}
        for split, names in splits.items():
            found = intake.usable(names, job_name="bootstrap/voc", held_out=self._held_out, first_of=first_of)
            counts[split] = self._write_split(split, found)
            self._log.info("%d images to %s, %d faults so far.", counts[split], split, len(intake.rejected))
        self._store.write(self._layout.bootstrap_rejected(), jsonl.encode(intake.rejected))
        intake.log_account(kept_back)
        intake.refuse_one_fault_of_all()
        empty = [split for split, images in counts.items() if not images]
        if empty:
            raise VocFolderError(
                f"{address} gives no usable image for {' and '.join(empty)}: see "
                f"{self._layout.uri(self._layout.bootstrap_rejected())} for the reasons."
                f"{intake.most_frequent()}"
            )
        return {**counts, "rejected": intake.images_left_out}

    def _splits(self, folder: VocFolder) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        """Names to train and to validate with, and those that the lists keep back."""
        lists = folder.lists()
        for note in lists.notes:
            self._log.warning("%s", note)
        everything = {*folder.images, *folder.annotations}
        names = lists.train or tuple(sorted(everything - lists.kept_back))
        address = self._layout.uri(self._layout.bootstrap_voc())
        if not everything:
            raise VocFolderError(
                f"There are no images at {address}/JPEGImages/: upload a PASCAL VOC folder with JPEGImages "
                "and Annotations there."
            )
        if not names:
            raise VocFolderError(
                f"The lists in {address}/ImageSets leave no image to train with: name some in "
                "ImageSets/Main/train.txt."
            )
        if lists.validation:
            return {"train": names, "validation": lists.validation}, lists.kept_back
        ordered = sorted(names, key=lambda name: (digest("validation", name), name))
        size = max(1, round(len(names) * self._validation_share))
        splits = {"train": tuple(sorted(ordered[size:])), "validation": tuple(sorted(ordered[:size]))}
        return splits, lists.kept_back

    def _write_split(self, split: str, images: Iterable[VocImage]) -> int:
        """Write both forms of a split, holding one image at a time; returns their number."""
        lines = []
        with tempfile.TemporaryFile() as file:
            for index, image in enumerate(images):
                file.write(frame(pack_detection_record(index, image.rows, image.data)))
                lines.append(image.line)
            file.seek(0)
            if lines:
                metadata = {SHA256: hashlib.file_digest(file, "sha256").hexdigest()}
                file.seek(0)
                self._store.upload(self._layout.bootstrap_recordio(split), file, metadata=metadata)
                self._store.write(self._layout.bootstrap_manifest(split), write_manifest(lines))
        return len(lines)
