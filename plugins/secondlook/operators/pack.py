"""The im2rec step: a PASCAL VOC folder in S3 becomes RecordIO files, manifests and a frozen holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.errors import SecondLookError
from secondlook.names import digest
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk import Context

    from secondlook.hooks.training_data import ImageIdentities
    from secondlook.hooks.voc_folder import VocFault, VocFolder, VocImage
    from secondlook.training import ManifestLine


class VocFolderError(SecondLookError):
    """A VOC folder gives nothing to train on."""


class PackVocOperator(SecondLookOperator):
    """Pack ``bootstrap/voc/`` for training from scratch, and freeze the holdout if its images are there.

    In: ``JPEGImages``, ``Annotations`` and, if there, ``ImageSets/Main`` (``train``, ``val``; ``test`` is
    left alone); without it a share of the images, chosen by a hash of the name, validates. Out:
    ``bootstrap/recordio/{train,validation}.rec``, the same images as
    ``bootstrap/{train,validation}.manifest``, and ``bootstrap/rejected.jsonl`` with a sentence for
    everything left out. The same images give the same bytes.

    VOC folders below ``holdout/<version>/voc/<slice>/`` become ``holdout/<version>/holdout.manifest``,
    once: a holdout that exists is never touched, a larger one needs a new version. Images of the holdout,
    copies under another name included, are left out of training.

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
        from secondlook.hooks.training_data import ImageIdentities
        from secondlook.hooks.voc_folder import VocFolder

        held_out = ImageIdentities.of(self._freeze_holdout())
        folder = VocFolder(self.store, self.layout.bootstrap_voc(), tuple(self.labels))
        splits = self._splits(folder)
        rejected: list[dict[str, Any]] = []
        counts = {}
        for split in ("train", "validation"):
            found = folder.read(splits[split], job_name="bootstrap/voc", part=None)
            images = self._write_split(split, self._usable(found, held_out, rejected))
            if not images:
                self._write_rejected(self.layout.bootstrap_rejected(), rejected)
                raise VocFolderError(
                    f"{self.layout.uri(self.layout.bootstrap_voc())} gives no usable image for {split}: see "
                    f"{self.layout.uri(self.layout.bootstrap_rejected())} for the reasons."
                )
            counts[split] = images
            self.log.info("%d images to %s, %d faults so far.", images, split, len(rejected))
        self._write_rejected(self.layout.bootstrap_rejected(), rejected)
        without_images = sum(fault["code"] != "box" for fault in rejected)
        return {**counts, "rejected": without_images, "holdout": len(held_out.addresses)}

    def _splits(self, folder: VocFolder) -> dict[str, tuple[str, ...]]:
        splits = folder.splits()
        names = splits["train"]
        if not names:
            taken = {*splits["validation"], *splits["test"]}
            names = tuple(sorted({*folder.images, *folder.annotations} - taken))
        if not names:
            raise VocFolderError(
                f"There are no images at {self.layout.uri(self.layout.bootstrap_voc())}/JPEGImages/: upload "
                "a PASCAL VOC folder with JPEGImages and Annotations there."
            )
        if splits["validation"]:
            return {"train": names, "validation": splits["validation"]}
        ordered = sorted(names, key=lambda name: (digest("validation", name), name))
        size = max(1, round(len(names) * float(self.validation_share)))
        return {"train": tuple(sorted(ordered[size:])), "validation": tuple(sorted(ordered[:size]))}

    def _usable(
        self,
        found: Iterable[VocImage | VocFault],
        held_out: ImageIdentities,
        rejected: list[dict[str, Any]],
    ) -> Iterator[VocImage]:
        """Yield the images; everything else is added to ``rejected``."""
        from secondlook.hooks.voc_folder import VocFault

        for item in found:
            if isinstance(item, VocFault):
                fault = item
            elif item.line in held_out:
                reason = f"{item.line.image} is in the holdout {self.holdout_version}: never train on it."
                fault = VocFault(item.line.image, "in-holdout", reason)
            else:
                yield item
                continue
            rejected.append(fault.to_record())
            self.log.warning("Left out: %s", fault.reason)

    def _write_split(self, split: str, images: Iterable[VocImage]) -> int:
        """Write both forms of a split, holding one image at a time; returns their number."""
        import tempfile

        from include.detector.recordio import RecordWriter, pack_detection_record
        from secondlook.training import write_manifest

        lines = []
        with tempfile.TemporaryFile() as file:
            writer = RecordWriter(file)
            for index, image in enumerate(images):
                writer.write(pack_detection_record(index, image.rows, image.data))
                lines.append(image.line)
            file.seek(0)
            if lines:
                self.store.upload(self.layout.bootstrap_recordio(split), file)
                self.store.write(self.layout.bootstrap_manifest(split), write_manifest(lines))
        return len(lines)

    def _write_rejected(self, key: str, rejected: list[dict[str, Any]]) -> None:
        self.store.write(key, jsonl.encode(rejected))

    def _freeze_holdout(self) -> tuple[ManifestLine, ...]:
        from secondlook.hooks.store import ObjectChangedError
        from secondlook.hooks.training_data import ImageIdentities, TrainingDataReader
        from secondlook.training import write_manifest

        version, labels = str(self.holdout_version), tuple(self.labels)
        reader = TrainingDataReader(self.store, self.layout, labels, self.log)
        key = self.layout.holdout_manifest(version)
        if self.store.exists(key):
            self.log.info("The holdout %s is frozen already.", self.store.uri(key))
            return reader.holdout(version)
        nothing_held_out = ImageIdentities(frozenset(), frozenset())
        lines: list[ManifestLine] = []
        rejected: list[dict[str, Any]] = []
        for part, folder in self._holdout_folders(version, labels).items():
            names = tuple(sorted({*folder.images, *folder.annotations}))
            found = folder.read(names, job_name=f"holdout/{version}", part=part)
            lines += [image.line for image in self._usable(found, nothing_held_out, rejected)]
        if not lines:
            self.log.warning(
                "There is no holdout %s: no model can be promoted until its manifest is written.", version
            )
            return ()
        self._write_rejected(f"{self.layout.holdout(version)}/rejected.jsonl", rejected)
        try:
            self.store.write_if_absent(key, write_manifest(lines))
        except ObjectChangedError:
            self.log.info("Another run has just frozen the holdout %s.", version)
        self.log.info("Holdout %s is frozen with %d images, %d faults.", version, len(lines), len(rejected))
        return reader.holdout(version)

    def _holdout_folders(self, version: str, labels: tuple[str, ...]) -> dict[str, VocFolder]:
        from secondlook.hooks.voc_folder import VocFolder

        start = f"{self.layout.holdout(version)}/voc/"
        parts = {item.key.removeprefix(start).split("/")[0] for item in self.store.list_objects(start)}
        return {part: VocFolder(self.store, f"{start}{part}", labels) for part in sorted(parts)}
