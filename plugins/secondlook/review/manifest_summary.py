"""The counts of a night's manifest."""

from __future__ import annotations

from secondlook.json_document import JsonDocument


class ManifestSummary(JsonDocument):
    """The content of ``manifests/<night>/summary.json``.

    ``rejected`` counts reviews without a training line, by reason in ``codes``; ``notes`` counts what was
    remarkable about answers that were used.
    """

    night: str
    manifest: str
    lines: int
    rejected: int
    codes: dict[str, int]
    notes: dict[str, int]
