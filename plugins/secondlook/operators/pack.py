"""The im2rec step: a PASCAL VOC folder in S3 becomes RecordIO files, manifests and a frozen holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.operators.base import SecondLookOperator
from secondlook.settings import BootstrapSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context


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
    :param bootstrap: share of images to validate with when ``ImageSets/Main`` names none: a section or its
        keys (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "labels", "holdout_version", "bootstrap")
    ui_color = "#f3e8d2"

    def __init__(
        self,
        *,
        labels: list[str] | tuple[str, ...] | str,
        holdout_version: str,
        bootstrap: BootstrapSettings | Mapping[str, Any] | str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labels = labels
        self.holdout_version = holdout_version
        self.bootstrap = self.check_section("bootstrap", bootstrap, BootstrapSettings)
        self.check_text("holdout_version", holdout_version)
        if isinstance(labels, list | tuple) and not labels:
            raise self.wrong("labels", "must name at least one label")

    def execute(self, context: Context) -> dict[str, int]:
        """Freeze the holdout, then pack what is left."""
        from secondlook.records.training_data import held_out_images
        from secondlook.records.voc_bootstrap import BootstrapPacking
        from secondlook.records.voc_holdout import HoldoutFreezing

        version, labels = str(self.holdout_version), tuple(self.labels)
        judged_by = HoldoutFreezing(self.store, self.layout, version, labels, self.log).freeze()
        held_out = held_out_images(self.store, self.layout, version)
        share = self.check_section("bootstrap", self.bootstrap, BootstrapSettings).validation_share
        packing = BootstrapPacking(self.store, self.layout, labels, share, held_out, self.log)
        return {**packing.pack(), "holdout": len(judged_by)}
