"""`report.html`: one page without anything outside it, for a person who was not there."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.demo.charts import (
    boxes_over,
    funnel,
    generation_name,
    generations,
    generations_legend,
    image_definition,
    labels_legend,
)
from include.demo.report import CLEAN, DRIFTED, Records, interval_text, number
from include.demo.samples import night_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.demo.samples import Sample
    from secondlook.layout import Layout

WIDE_COLUMNS = 5
STYLE = Path(__file__).with_name("report.css")


def write_page(path: Path, report: Mapping[str, Any], s3: Any, layout: Layout, labels: Sequence[str]) -> None:
    """Write the page from the report and the reviewed pictures in S3."""
    records = Records(s3, layout)
    samples = {night["night"]: night_samples(records, night["night"]) for night in report["nights"]}
    path.write_text(render_page(report, samples, labels), encoding="utf-8")


def render_page(
    report: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]], labels: Sequence[str]
) -> str:
    """The whole page as text."""
    body = "\n".join(
        (
            _head(report),
            _accuracy(report["models"]),
            _nights(report, samples, labels),
            _quarantine(report["nights"]),
            _left_out(report.get("left_out", ())),
            _effort(report),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>Second Look: what three nights came to</title>\n<style>"
        f"\n{STYLE.read_text()}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(report: Mapping[str, Any]) -> str:
    nights, models = report["nights"], report["models"]
    asked, learned = _sum(nights, "selected"), _sum(nights, "manifest_lines")
    figures = (
        ("Images that arrived", _sum(nights, "images")),
        ("Set aside with a reason", _sum(nights, "quarantined")),
        ("Reviews asked for", asked),
        ("Answered", _sum(nights, "completed")),
        ("Answers to learn from", learned),
        ("Models promoted", sum(night["promoted"] for night in nights)),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    return (
        "<header>\n<h1>What three nights came to</h1>\n"
        f'<p class="lead">{_story(nights, models)}</p>\n'
        f'<dl class="figures">{cells}</dl>\n</header>'
    )


def _story(nights: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]]) -> str:
    first, last = models[0], [model for model in models if model["promoted"]][-1]
    sentences = [
        f"A detector looked at {_sum(nights, 'images')} images, people looked again at "
        f"{_sum(nights, 'selected')} of them."
    ]
    if last is first:
        sentences.append(
            "No model trained from their answers was measurably better, so the first one stays in service."
        )
    for name in (CLEAN, DRIFTED):
        before, after = first["map50"][name], last["map50"][name]
        if last is not first and before is not None and after is not None:
            sentences.append(
                f"On {name} images that no model was trained on, the model in service went from {before:.2f} "
                f"to {after:.2f} mAP@0.5."
            )
    return " ".join(sentences)


def _accuracy(models: Sequence[Mapping[str, Any]]) -> str:
    slices = [name for name in (CLEAN, DRIFTED) if any(model["map50"][name] is not None for model in models)]
    with_control = any(model["control_id"] for model in models)
    columns = [
        "Model",
        "Trained on",
        *(f"{name}" for name in slices),
        *(f"control, {name}" for name in slices),
    ]
    rows = [
        [
            f"{escape(generation_name(model))}<br><code>{escape(model['id'])}</code>",
            _training(model),
            *(number(model["map50"][name]) for name in slices),
            *(number(model["control_map50"][name]) for name in slices),
            interval_text(model["delta_ci95"]),
            _verdict(model),
        ]
        for model in models
    ]
    held = "drifted" if DRIFTED in slices else "holdout"
    table = _table(
        "mAP@0.5 (all points, IoU 0.5) on images held out from all training",
        [*columns, f"gain over its parent, {held}, 95%", "verdict"],
        rows,
    )
    return (
        '<section aria-labelledby="accuracy">\n<h2 id="accuracy">Accuracy by model generation</h2>\n'
        "<p>Each night's model is trained from the one in service. It replaces that one only if the "
        "paired interval of "
        "its gain lies above zero and no part of the holdout loses more than 0.02. The control had "
        "the same training "
        "steps without the new answers: only what lies above it can be credited to people.</p>\n"
        f'<div class="card">{generations(models, slices)}{generations_legend(slices, with_control)}'
        f"{table}</div>\n</section>"
    )


def _training(model: Mapping[str, Any]) -> str:
    if model["parent"] is None:
        return f"{model['train_images']} images"
    return f"{model['new_images']} reviewed, {model['replayed_images']} older"


def _verdict(model: Mapping[str, Any]) -> str:
    if model["parent"] is None:
        return "put into service first"
    badge = (
        '<span class="badge promoted">promoted</span>'
        if model["promoted"]
        else '<span class="badge kept">not promoted</span>'
    )
    return f"{badge} {escape(' '.join(model['reasons']))}"


def _nights(report: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]], labels: Sequence[str]) -> str:
    parts = ['<section aria-labelledby="nights">\n<h2 id="nights">Night by night</h2>', labels_legend(labels)]
    for night in report["nights"]:
        parts.append(_night(night, samples.get(night["night"], ()), labels))
    parts.append("</section>")
    return "\n".join(parts)


def _night(night: Mapping[str, Any], samples: Sequence[Sample], labels: Sequence[str]) -> str:
    name = f"night-{night['night']}"
    facts = [
        f"{night['quarantined']} of {night['images']} images could not be scored and were set aside "
        "with a reason.",
        "The published rule (best score below 0.5) would have asked about "
        f"{_plural(night['published_rule'], 'image')}.",
    ]
    lost = {ending: night[ending] for ending in ("expired", "failed", "stopped") if night[ending]}
    if lost:
        facts.append(
            "Reviews without an answer: " + ", ".join(f"{n} {ending}" for ending, n in lost.items()) + "."
        )
    if night["rejected_lines"]:
        codes = ", ".join(f"{count} {code}" for code, count in night["rejected_codes"].items())
        facts.append(f"{_plural(night['rejected_lines'], 'review')} gave nothing to learn from: {codes}.")
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    pairs = "".join(_pair(sample, f"{name}-{index}", labels) for index, sample in enumerate(samples))
    return (
        f'<article class="card" aria-labelledby="{name}">\n<h3 id="{name}">{night["night"]} '
        f"{_outcome(night)}</h3>\n"
        f'<div class="night"><div>{funnel(night)}</div><ul>{listed}</ul></div>\n'
        f'<div class="samples">{pairs}</div>\n</article>'
    )


def _outcome(night: Mapping[str, Any]) -> str:
    if night["promoted"]:
        return '<span class="badge promoted">model promoted</span>'
    trained = "model trained, not promoted" if night["model_trained"] else "nothing trained"
    return f'<span class="badge kept">{trained}</span>'


def _pair(sample: Sample, image_id: str, labels: Sequence[str]) -> str:
    """The same picture twice: the model's boxes, the person's boxes."""
    # Kept out of sight by size, not by display: none, which would also hide its uses.
    hidden = (
        '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
        f"{image_definition(sample, image_id)}</defs></svg>"
    )
    model = boxes_over(sample, sample.model_boxes, image_id, labels, "the boxes of the model")
    person = boxes_over(sample, sample.person_boxes, image_id, labels, "the boxes of the person")
    return (
        f'<figure>{hidden}<div class="pair">'
        f"<div><p>model</p>{model}</div><div><p>person</p>{person}</div></div>"
        f'<figcaption><code>{escape(sample.file)}</code> <span class="quiet">{escape(sample.why)}; '
        f"{len(sample.model_boxes)} boxes, then {len(sample.person_boxes)}</span></figcaption></figure>"
    )


def _quarantine(nights: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [night["night"], f"<code>{escape(line['file'])}</code>", escape(line["code"]), escape(line["reason"])]
        for night in nights
        for line in night["quarantine"]
    ]
    if not rows:
        return "<section>\n<h2>Set aside</h2>\n<p>Every image could be scored.</p>\n</section>"
    table = _table("Images that could not be scored", ["Night", "File", "Kind", "Reason"], rows)
    return (
        '<section aria-labelledby="aside">\n<h2 id="aside">Set aside</h2>\n'
        f'<div class="card">{table}</div>\n</section>'
    )


def _left_out(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return (
        '<section aria-labelledby="left-out">\n<h2 id="left-out">Left out of DATA</h2>\n'
        f"<details><summary>{_plural(len(reasons), 'reason')}</summary><ul>{items}</ul></details>"
        "\n</section>"
    )


def _effort(report: Mapping[str, Any]) -> str:
    seconds = report["seconds"]
    times = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    rows = [[f"<code>{escape(name)}</code>", str(count)] for name, count in report["api_calls"].items()]
    table = _table("Calls that SageMaker and A2I received", ["Operation", "Calls"], rows)
    return (
        '<section aria-labelledby="effort">\n<h2 id="effort">Time and calls</h2>\n'
        f"<p>{escape(times)}.</p>\n<details><summary>{_sum([*_counts(report)], 'calls')} API calls</summary>"
        f'<div class="card">{table}</div></details>\n</section>'
    )


def _counts(report: Mapping[str, Any]) -> list[dict[str, int]]:
    return [{"calls": count} for count in report["api_calls"].values()]


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls in itself where the page is narrow; cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    size = ' class="wide"' if len(columns) > WIDE_COLUMNS else ' class="small"' if len(columns) == 2 else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table{size}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in rows)
