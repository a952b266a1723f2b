"""What three nights came to, from S3 and the services' counts: `report.json` and the closing table."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from include.demo.archive import HOLDOUT_VERSION
from secondlook.jsonl import decode, decode_object
from secondlook.layout import own_name, steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from secondlook.layout import Layout

CLEAN, DRIFTED = "clean", "drifted"
ENDINGS = ("completed", "expired", "failed", "stopped")


class ReportError(Exception):
    """The report lacks something that a finished demo must have left in S3; the message names it."""


@dataclass(frozen=True)
class Seconds:
    """Where the time went."""

    setup: float
    bootstrap: float
    nights: float
    total: float


class Records:
    """Reads the records that the tasks left below the prefix."""

    def __init__(self, s3: Any, layout: Layout) -> None:
        self.s3 = s3
        self.layout = layout

    def read(self, key: str) -> bytes | None:
        """The bytes at a key, or None when there is no such object."""
        try:
            return bytes(self.s3.get_object(Bucket=self.layout.bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    def lines(self, key: str) -> list[dict[str, Any]]:
        """JSON Lines; none when there is no such object."""
        data = self.read(key)
        return [] if data is None else decode(data, source=self.layout.uri(key))

    def object(self, key: str) -> dict[str, Any]:
        """One JSON object; raises `ReportError` when it is not there."""
        data = self.read(key)
        if data is None:
            raise ReportError(f"{self.layout.uri(key)} is missing: the task that writes it has not run.")
        return decode_object(data, source=self.layout.uri(key))

    def keys(self, start: str) -> Iterator[str]:
        """Every key that begins so."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.layout.bucket, Prefix=start)
        for page in pages:
            yield from (found["Key"] for found in page.get("Contents", ()))

    def scoring_model(self, night: str) -> str:
        """The model that scored a night; raises `ReportError` when none has."""
        folder = self.layout.all_predictions(night)
        found = {key: steps(folder, key)[0] for key in self.keys(f"{folder}/")}
        summary = self.layout.predictions_summary
        models = [model for key, model in found.items() if key == summary(night, model)]
        if not models:
            raise ReportError(
                f"No model has scored the night {night}: {self.layout.uri(folder)}/ holds no summary."
            )
        return models[-1]


def build_report(
    s3: Any,
    layout: Layout,
    nights: Sequence[str],
    seconds: Seconds,
    statuses: Sequence[Mapping[str, Any]],
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the contents of `report.json`.

    Parameters
    ----------
    nights
        The nights that were played, in order.
    statuses
        The answers of the services' `/_status`.
    left_out
        A sentence for everything of a person's own folder that was not played with.

    Raises
    ------
    ReportError
        A night or a model left no record.
    """
    records = Records(s3, layout)
    models = _models(records)
    calls: Counter[str] = Counter()
    for status in statuses:
        calls.update(status["operations"])
    return {
        "seconds": {name: round(value, 1) for name, value in asdict(seconds).items()},
        "nights": [_night(records, night, models) for night in nights],
        "models": models,
        "api_calls": dict(sorted(calls.items())),
        **({"left_out": list(left_out)} if left_out else {}),
    }


def _night(records: Records, night: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    layout = records.layout
    model = records.scoring_model(night)
    scored = records.object(layout.predictions_summary(night, model))
    launched = records.object(layout.launch_summary(night))
    written = records.object(layout.manifest_summary(night))
    endings = Counter(outcome["outcome"] for outcome in records.lines(layout.outcomes(night)))
    trained = next((found for found in models if found["night"] == night), None)
    return {
        "night": night,
        "images": scored["images"],
        "scored": scored["scored"],
        "quarantined": scored["quarantined"],
        "selected": launched["selected"],
        "loops_started": launched["started"] + launched["adopted"],
        **{ending: endings[ending] for ending in ENDINGS},
        "manifest_lines": written["lines"],
        "rejected_lines": written["rejected"],
        "model_trained": trained and trained["id"],
        "promoted": bool(trained and trained["promoted"]),
        "model": model,
        "published_rule": launched["published_rule"],
        "quarantine": [
            {"file": own_name(line["image"]), "code": line["code"], "reason": line["reason"]}
            for line in records.lines(layout.quarantine(night, model))
        ],
        "rejected_codes": written.get("codes", {}),
    }


def _models(records: Records) -> list[dict[str, Any]]:
    """The bootstrap model, then the challengers night by night, each with its control arm."""
    layout = records.layout
    found = [key for key in records.keys(layout.models() + "/") if layout.is_card(key)]
    cards = [records.object(key) for key in found]
    if not cards:
        raise ReportError(f"There is no model card below {layout.uri(layout.models())}: nothing was trained.")
    kept = [card for card in cards if card["created_by"] != "control"]
    kept.sort(key=lambda card: (_learned_night(layout, card) or "", card["model"]))
    comparisons = {card["model"]: _comparison(records, card["model"]) for card in kept}
    return [_model(layout, card, comparisons) for card in kept]


def _model(
    layout: Layout, card: dict[str, Any], comparisons: Mapping[str, dict[str, Any] | None]
) -> dict[str, Any]:
    model = card["model"]
    comparison = comparisons[model]
    verdict = card["verdict"] or {}
    first = card["parent"] is None
    return {
        "id": model,
        "parent": card["parent"],
        "train_images": card["data"]["train_images"],
        "map50": _own_scores(model, comparisons),
        "control_map50": _scores(comparison, "control"),
        "delta_ci95": _interval(comparison, DRIFTED) or _interval(comparison, CLEAN),
        "promoted": first or "promoted_as_version" in verdict,
        "delta_ci95_clean": _interval(comparison, CLEAN),
        "parent_map50": _scores(comparison, "champion"),
        "control_id": comparison and comparison["control"],
        "new_images": card["data"]["new_images"],
        "replayed_images": card["data"]["replayed_images"],
        "night": _learned_night(layout, card),
        "reasons": comparison["reasons"] if comparison else [],
    }


def _own_scores(model: str, comparisons: Mapping[str, dict[str, Any] | None]) -> dict[str, float | None]:
    """From the model's own comparison or, for the first model, from one in which it was the champion."""
    own = comparisons[model]
    if own is not None:
        return _scores(own, "challenger")
    as_champion = next((c for c in comparisons.values() if c is not None and c["champion"] == model), None)
    return _scores(as_champion, "champion")


def _scores(comparison: dict[str, Any] | None, arm: str) -> dict[str, float | None]:
    slices = comparison["slices"] if comparison else {}
    return {name: slices.get(name, {}).get(arm) for name in (CLEAN, DRIFTED)}


def _interval(comparison: dict[str, Any] | None, slice_name: str) -> list[float] | None:
    found = (comparison["slices"] if comparison else {}).get(slice_name)
    return found["delta_ci95"] if found else None


def _comparison(records: Records, model: str) -> dict[str, Any] | None:
    key = records.layout.comparison(HOLDOUT_VERSION, model)
    data = records.read(key)
    return None if data is None else decode_object(data, source=records.layout.uri(key))


def _learned_night(layout: Layout, card: dict[str, Any]) -> str | None:
    """The last night whose answers this training learned: `.../manifests/<night>/reviewed.manifest`."""
    addresses = [manifest["uri"] for manifest in card["data"]["manifests"]]
    nights = [steps(layout.manifests(), layout.key_of(address))[0] for address in addresses]
    return max(nights, default=None)


def result_table(report: Mapping[str, Any]) -> str:
    """The nights and the models as two plain tables."""
    nights = [
        (
            "night",
            "images",
            "scored",
            "quarantined",
            "asked",
            "answered",
            "learned",
            "rule would ask",
            "promoted",
        )
    ]
    for night in report["nights"]:
        counts = (
            "images",
            "scored",
            "quarantined",
            "selected",
            "completed",
            "manifest_lines",
            "published_rule",
        )
        nights.append(
            (night["night"], *(str(night[name]) for name in counts), "yes" if night["promoted"] else "no")
        )
    models = [
        (
            "model",
            "images",
            "mAP clean",
            "control",
            "mAP drifted",
            "control",
            "gain, 95% interval",
            "promoted",
        )
    ]
    for model in report["models"]:
        models.append(
            (
                model["id"],
                str(model["train_images"]),
                number(model["map50"][CLEAN]),
                number(model["control_map50"][CLEAN]),
                number(model["map50"][DRIFTED]),
                number(model["control_map50"][DRIFTED]),
                interval_text(model["delta_ci95"]),
                "yes" if model["promoted"] else "no",
            )
        )
    seconds = report["seconds"]
    times = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return "\n\n".join((_columns(nights), _columns(models), times))


def number(value: float | None) -> str:
    """A score with three digits, a dash when there is none."""
    return "-" if value is None else f"{value:.3f}"


def interval_text(interval: Sequence[float] | None) -> str:
    """An interval with signs, a dash when there is none."""
    return "-" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
