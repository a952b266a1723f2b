"""The im2rec step: a PASCAL VOC folder in S3 becomes RecordIO files, manifests and a frozen holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import VocFolderError
from secondlook.layout import below, steps
from secondlook.names import digest
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Context

    from secondlook.records.voc_folder import VocFolder, VocImage
    from secondlook.records.voc_intake import VocIntake
    from secondlook.training import ManifestLine


class PackVocOperator(SecondLookOperator):
    """Pack ``bootstrap/voc/`` for training from scratch, and freeze the holdout if its images are there.

    In: ``JPEGImages``, ``Annotations`` and, if there, ``ImageSets/Main`` (``train``, ``val``; ``test`` is
    left alone); without it a share of the images, chosen by a hash of the name, validates. Out:
    ``bootstrap/recordio/{train,validation}.rec``, the same images as
    ``bootstrap/{train,validation}.manifest``, and ``bootstrap/rejected.jsonl`` with a sentence for
    everything left out; the log accounts for every file. The same images give the same bytes. What a folder
    may look like: docs/how-to/data-sets.md.

    VOC folders below ``holdout/<version>/voc/<slice>/`` become ``holdout/<version>/holdout.manifest``,
    once: a holdout that exists is never touched, a larger one needs a new version. What no model takes (more
    than 6 MiB or 64 megapixels, undecodable) is left out, so that it can always be judged with. Images of the
    holdout, copies under another name included, are left out of training. Of copies of one image the first
    counts.

    Returns ``{"train", "validation", "rejected", "holdout"}``, numbers of images.

    :param labels: label names, index = class id (templated).
    :param holdout_version: version to freeze (templated).
    :param validation_share: share of images to validate with when ``ImageSets/Main`` names none (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "labels", "holdout_version", "validation_share")
    ui_color = "#f3e8d2"

    def __init__(
        self,
        *,
        labels: list[str] | tuple[str, ...] | str,
        holdout_version: str,
        validation_share: float | str = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labels = labels
        self.holdout_version = holdout_version
        self.validation_share = validation_share
        self.check_text("holdout_version", holdout_version)
        self.check_number("validation_share", validation_share, minimum=0.01, maximum=0.9)
        if isinstance(labels, list | tuple) and not labels:
            raise self.wrong("labels", "must name at least one label")

    def execute(self, context: Context) -> dict[str, int]:
        """Freeze the holdout, then pack what is left."""
        from secondlook.records.training_data import held_out_images
        from secondlook.records.voc_folder import VocFolder
        from secondlook.records.voc_intake import VocIntake

        judged_by = self._freeze_holdout()
        held_out = held_out_images(self.store, self.layout, str(self.holdout_version))
        address = self.layout.uri(self.layout.bootstrap_voc())
        folder = VocFolder(self.store, self.layout.bootstrap_voc(), tuple(self.labels))
        intake = VocIntake(folder, address, self.log)
        splits, kept_back = self._splits(folder)
        first_of: dict[str, str] = {}
        counts = {}
        for split, names in splits.items():
            found = intake.usable(names, job_name="bootstrap/voc", held_out=held_out, first_of=first_of)
            counts[split] = self._write_split(split, found)
            self.log.info("%d images to %s, %d faults so far.", counts[split], split, len(intake.rejected))
        self._write_rejected(self.layout.bootstrap_rejected(), intake.rejected)
        intake.log_account(kept_back)
        intake.refuse_one_fault_of_all()
        empty = [split for split, images in counts.items() if not images]
        if empty:
            raise VocFolderError(
                f"{address} gives no usable image for {' and '.join(empty)}: see "
                f"{self.layout.uri(self.layout.bootstrap_rejected())} for the reasons."
                f"{intake.most_frequent()}"
            )
        return {**counts, "rejected": intake.images_left_out, "holdout": len(judged_by)}

    def _splits(self, folder: VocFolder) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        """Names to train and to validate with, and those that the lists keep back."""
        lists = folder.lists()
        for note in lists.notes:
            self.log.warning("%s", note)
        everything = {*folder.images, *folder.annotations}
        names = lists.train or tuple(sorted(everything - lists.kept_back))
        address = self.layout.uri(self.layout.bootstrap_voc())
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
        size = max(1, round(len(names) * float(self.validation_share)))
        splits = {"train": tuple(sorted(ordered[size:])), "validation": tuple(sorted(ordered[:size]))}
        return splits, lists.kept_back

    def _write_split(self, split: str, images: Iterable[VocImage]) -> int:
        """Write both forms of a split, holding one image at a time; returns their number."""
        import hashlib
        import tempfile

        from include.formats.detection_record import pack_detection_record
        from include.formats.recordio import frame
        from secondlook.hooks.s3 import SHA256
        from secondlook.training import write_manifest

        lines = []
        with tempfile.TemporaryFile() as file:
            for index, image in enumerate(images):
                file.write(frame(pack_detection_record(index, image.rows, image.data)))
                lines.append(image.line)
            file.seek(0)
            if lines:
                metadata = {SHA256: hashlib.file_digest(file, "sha256").hexdigest()}
                file.seek(0)
                self.store.upload(self.layout.bootstrap_recordio(split), file, metadata=metadata)
                self.store.write(self.layout.bootstrap_manifest(split), write_manifest(lines))
        return len(lines)

    def _write_rejected(self, key: str, rejected: list[dict[str, Any]]) -> None:
        self.store.write(key, jsonl.encode(rejected))

    def _freeze_holdout(self) -> tuple[ManifestLine, ...]:
        from secondlook.hooks.s3 import ObjectChangedError
        from secondlook.records.training_data import TrainingDataReader
        from secondlook.training import write_manifest

        version, labels = str(self.holdout_version), tuple(self.labels)
        reader = TrainingDataReader(self.store, self.layout, labels, self.log)
        key = self.layout.holdout_manifest(version)
        if self.store.exists(key):
            self.log.info("The holdout %s is frozen already.", self.store.uri(key))
            return reader.holdout(version).lines
        lines: list[ManifestLine] = []
        rejected: list[dict[str, Any]] = []
        first_of: dict[str, str] = {}
        intakes = self._holdout_slices(version, labels)
        for part, intake in intakes.items():
            intake.tell_unread_lists()
            found = intake.usable(intake.names, job_name=f"holdout/{version}", part=part, first_of=first_of)
            lines += [image.line for image in found]
            rejected += intake.rejected
            intake.log_account()
        if intakes:
            self._write_rejected(self.layout.holdout_rejected(version), rejected)
        for intake in intakes.values():
            intake.refuse_one_fault_of_all()
        if not lines:
            self._tell_of_no_holdout(version, bool(intakes))
            return ()
        try:
            self.store.write_if_absent(key, write_manifest(lines))
        except ObjectChangedError:
            self.log.info("Another run has just frozen the holdout %s.", version)
        self.log.info("Holdout %s is frozen with %d images, %d faults.", version, len(lines), len(rejected))
        return reader.holdout(version).lines

    def _tell_of_no_holdout(self, version: str, uploaded: bool) -> None:
        """Warn that no model can be promoted; fail when images were uploaded and none can be used."""
        if not uploaded:
            self.log.warning(
                "There is no holdout %s: no model can be promoted until its manifest is written.", version
            )
            return
        uploads = self.layout.uri(self.layout.holdout_voc(version))
        clean = self.layout.uri(self.layout.holdout_slice(version, "clean"))
        raise VocFolderError(
            f"{uploads} gives no usable image to judge models with: "
            f"each slice is a folder of its own with JPEGImages and Annotations ({clean}/JPEGImages); see "
            f"{self.layout.uri(self.layout.holdout_rejected(version))}."
        )

    def _holdout_slices(self, version: str, labels: tuple[str, ...]) -> dict[str, VocIntake]:
        from include.formats.voc import leftover
        from secondlook.records.voc_folder import VocFolder
        from secondlook.records.voc_intake import VocIntake

        uploads = self.layout.holdout_voc(version)
        keys = [item.key for item in self.store.list_objects(f"{uploads}/")]
        parts = sorted({steps(uploads, key)[0] for key in keys if not leftover(below(uploads, key))})
        folders = {part: self.layout.holdout_slice(version, part) for part in parts}
        return {
            part: VocIntake(VocFolder(self.store, folder, labels), self.layout.uri(folder), self.log)
            for part, folder in folders.items()
        }
