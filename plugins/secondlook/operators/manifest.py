"""From answers to training data: the augmented manifest of a night."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from secondlook import jsonl
from secondlook.failures.exceptions import S3UriError, SecondLookError
from secondlook.layout import split_s3_uri
from secondlook.names import NIGHT
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from secondlook.review import Outcome, Rejection
    from secondlook.training import ManifestLine


class OutcomesMissingError(SecondLookError):
    """How the night's loops ended is not recorded yet."""


class AugmentedManifestOperator(SecondLookOperator):
    """Turns the night's answers into training data, as the built-in Object Detection algorithm reads it.

    Every line of the ledger ends in exactly one of ``manifests/<night>/reviewed.manifest`` and
    ``rejected.jsonl``, the latter with a code and a reason; counts by code are in ``summary.json`` beside
    them. A loop whose output is missing or unreadable is a rejected line and does not stop the others. The
    same answers give the same bytes, whenever and however often the task runs.

    Returns ``{"night", "manifest", "lines", "rejected"}``: the manifest's address and counts.

    :param night: the night, YYYY-MM-DD (templated).
    :param labels: all labels, index = class id (templated).
    """

    template_fields: Sequence[str] = (*SecondLookOperator.template_fields, "night", "labels")

    def __init__(
        self,
        *,
        night: str,
        labels: Sequence[str] | str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.labels = labels
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Read ledger, outcomes and answers; write manifest, rejected lines and counts.

        Raises
        ------
        OutcomesMissingError
            The reviews have not been awaited yet.
        """
        from secondlook.records.reviews import ReviewRecords
        from secondlook.review import convert_loop
        from secondlook.threads import READERS, in_order

        self._check_arguments()
        records = ReviewRecords(self.store, self.layout, self.night)
        ledger, outcomes = records.asked(), records.outcomes()
        if outcomes is None:
            raise OutcomesMissingError(
                f"{self.store.uri(records.outcomes_key)} does not exist: run the task that awaits the "
                f"reviews of {self.night} first."
            )
        endings = [outcomes.get(line.loop) for line in ledger]
        bodies = list(in_order(self._reader(endings), endings, READERS))
        notes: Counter[str] = Counter()
        converted = [
            convert_loop(line, ending, body, self.labels, line.from_night or self.night, counts=notes)
            for line, ending, body in zip(ledger, endings, bodies, strict=True)
        ]
        return self._write(converted, notes)

    def _check_arguments(self) -> None:
        self.check_text("night", self.night, NIGHT)
        self.check_labels(self.labels)

    def _reader(self, endings: list[Outcome | None]) -> Callable[[Outcome | None], bytes | None]:
        """Return what reads an answer; S3 clients are made here, as threads may share but not make them."""
        from secondlook.hooks.s3 import ObjectMissingError, ObjectStore

        places = {ending.loop: place for ending in endings if ending and (place := self._place(ending))}
        stores = {
            bucket: ObjectStore(bucket, self.aws_conn_id, self.region_name)
            for bucket in {bucket for bucket, _ in places.values()}
        }

        def read(ending: Outcome | None) -> bytes | None:
            if ending is None or ending.loop not in places:
                return None
            bucket, key = places[ending.loop]
            try:
                return stores[bucket].read(key)[0]
            except ObjectMissingError:
                return None

        return read

    def _place(self, ending: Outcome) -> tuple[str, str] | None:
        """Return bucket and key of an answer, if the loop ended in a way that may have left one."""
        # The service names an address for every loop; only these two ends can have written to it.
        if ending.output is None or ending.outcome not in ("completed", "stopped"):
            return None
        try:
            return split_s3_uri(ending.output)
        except S3UriError as error:
            self.log.warning("The answer of the human loop %s cannot be read: %s", ending.loop, error)
            return None

    def _write(self, converted: list[ManifestLine | Rejection], notes: Counter[str]) -> dict[str, Any]:
        from secondlook.review import Rejection
        from secondlook.review.manifest_summary import ManifestSummary
        from secondlook.training import ManifestLine, write_manifest

        lines = [item for item in converted if isinstance(item, ManifestLine)]
        rejections = [item for item in converted if isinstance(item, Rejection)]
        codes = Counter(rejection.code for rejection in rejections)
        key = self.layout.reviewed_manifest(self.night)
        result = {
            "night": self.night,
            "manifest": self.layout.uri(key),
            "lines": len(lines),
            "rejected": len(rejections),
        }
        rejected = jsonl.encode(rejection.to_record() for rejection in rejections)
        summary = ManifestSummary.model_validate({**result, "codes": dict(codes), "notes": dict(notes)})
        self.store.write(self.layout.rejected(self.night), rejected)
        self.store.write(key, write_manifest(lines))
        # Last, so that a summary always tells of files that are there.
        self.store.write(self.layout.manifest_summary(self.night), summary.to_json())
        told = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        self.log.info(
            "Night %s: %d manifest lines, %d rejected: %s.",
            *(self.night, len(lines), len(rejections), told or "none"),
        )
        return result
