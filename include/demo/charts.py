"""The report's drawings as inline SVG: a night's funnel, accuracy by generation, and boxes over a picture."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.demo.samples import Sample, SampleBox

WIDTH = 360
ROW = 34
# The Review Desk's colours (palette.js), which color-blind people tell apart, too; each label also has a dash
# pattern of its own.
LABEL_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#000000")
LABEL_DASHES = ("", "6 3", "2 2", "8 2 2 2", "4 4", "1 3", "10 3", "3 1")

PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM = 34, 350, 26, 200


def funnel(night: Mapping[str, Any]) -> str:
    """Scored, asked, answered, learned: one bar each, as long as its share of the scored pictures."""
    steps = (
        ("scored", night["scored"], "--scored"),
        ("asked", night["selected"], "--asked"),
        ("answered", night["completed"], "--answered"),
        ("learned", night["manifest_lines"] if night["model_trained"] else 0, "--learned"),
    )
    most = max(1, *(count for _, count, _ in steps))
    rows = []
    for index, (name, count, colour) in enumerate(steps):
        y = index * ROW
        length = 230 * count / most
        rows.append(
            f'<text x="0" y="{y + 19}">{name}</text>'
            f'<rect x="74" y="{y + 4}" width="{max(length, 1):.1f}" height="22" rx="3" fill="var({colour})"/>'
            f'<text x="{80 + length:.1f}" y="{y + 19}">{count}</text>'
        )
    text = ", ".join(f"{name} {count}" for name, count, _ in steps)
    title = escape(f"Night {night['night']}: {text}")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {ROW * len(steps)}" role="img" aria-label="{title}">'
        f"{''.join(rows)}</svg>"
    )


def generations(models: Sequence[Mapping[str, Any]], slices: Sequence[str]) -> str:
    """mAP by generation and slice, the interval of the gain over the parent, and the control arm."""
    step = (PLOT_RIGHT - PLOT_LEFT) / max(1, len(models))
    parts = [_axes(models, step)]
    for slice_name in slices:
        shift = 0.0 if len(slices) == 1 else (-0.14 if slice_name == slices[0] else 0.14) * step
        line = []
        for index, model in enumerate(models):
            value = model["map50"][slice_name]
            if value is not None:
                x = PLOT_LEFT + (index + 0.5) * step + shift
                line.append(f"{x:.1f},{_y(value):.1f}")
                parts.append(_point(model, slice_name, x))
        parts.insert(
            1,
            f'<polyline points="{" ".join(line)}" fill="none" stroke="var(--{slice_name})" '
            'stroke-width="1.5" stroke-opacity=".5"/>',
        )
    summary = escape("; ".join(_spoken(model, slices) for model in models))
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} 236" role="img" '
        f'aria-label="Accuracy by model generation: {summary}">{"".join(parts)}</svg>'
    )


def generation_name(model: Mapping[str, Any]) -> str:
    """What a reader calls a model: the night whose answers it learned."""
    return "first model" if model["night"] is None else f"night {model['night'][5:]}"


def _axes(models: Sequence[Mapping[str, Any]], step: float) -> str:
    marks = ['<text class="soft" x="2" y="11">mAP@0.5</text>']
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        marks.append(
            f'<line x1="{PLOT_LEFT}" x2="{PLOT_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--grid)"/>'
            f'<text class="soft" x="{PLOT_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tenth / 10:.1f}</text>"
        )
    for index, model in enumerate(models):
        x = PLOT_LEFT + (index + 0.5) * step
        state = "in service" if model["promoted"] else "not promoted"
        marks.append(
            f'<text x="{x:.1f}" y="{PLOT_BOTTOM + 16}" text-anchor="middle">{generation_name(model)}</text>'
            f'<text class="soft" x="{x:.1f}" y="{PLOT_BOTTOM + 30}" text-anchor="middle">{state}</text>'
        )
    return "".join(marks)


def _point(model: Mapping[str, Any], slice_name: str, x: float) -> str:
    """A score: filled when promoted; a whisker for the interval of its gain, a cross for the control."""
    colour = f"var(--{slice_name})"
    value = model["map50"][slice_name]
    parent, control = model["parent_map50"][slice_name], model["control_map50"][slice_name]
    interval = model["delta_ci95_clean"] if slice_name == "clean" else model["delta_ci95"]
    drawn = []
    if parent is not None and interval is not None:
        low, high = _y(parent + interval[0]), _y(parent + interval[1])
        drawn.append(
            f'<path d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8" '
            f'stroke="{colour}" stroke-width="1.5" fill="none"/>'
        )
    if control is not None:
        y = _y(control)
        drawn.append(
            f'<path d="M{x + 7:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="1.8" '
            'fill="none"/>'
        )
    fill = colour if model["promoted"] else "var(--card)"
    drawn.append(
        f'<circle cx="{x:.1f}" cy="{_y(value):.1f}" r="4.5" fill="{fill}" stroke="{colour}" '
        'stroke-width="2"/>'
    )
    return "".join(drawn)


def _y(value: float) -> float:
    return PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * min(max(value, 0.0), 1.0)


def _spoken(model: Mapping[str, Any], slices: Sequence[str]) -> str:
    scores = ", ".join(
        f"{name} {model['map50'][name]:.2f}" for name in slices if model["map50"][name] is not None
    )
    return f"{generation_name(model)}: {scores or 'not measured'}"


def generations_legend(slices: Sequence[str], with_control: bool) -> str:
    """What the marks of `generations` mean."""
    items = [
        '<li><svg viewBox="0 0 26 14" aria-hidden="true"><circle cx="13" cy="7" r="5" '
        f'fill="var(--{name})"/></svg>'
        f"{name} holdout</li>"
        for name in slices
    ]
    marks = [
        (
            '<circle cx="13" cy="7" r="4.5" fill="none" stroke="var(--quiet)" stroke-width="2"/>',
            "not promoted",
        ),
        ('<path d="M13 1v12M9 1h8M9 13h8" stroke="var(--quiet)" fill="none"/>', "95% interval of the gain"),
    ]
    if with_control:
        cross = '<path d="M9 3l8 8m0 -8l-8 8" stroke="var(--quiet)" stroke-width="1.8" fill="none"/>'
        marks.append((cross, "control: as many steps, no new answers"))
    items += [
        f'<li><svg viewBox="0 0 26 14" aria-hidden="true">{mark}</svg>{text}</li>' for mark, text in marks
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def boxes_over(
    sample: Sample, boxes: Sequence[SampleBox], image_id: str, labels: Sequence[str], whose: str
) -> str:
    """A picture, defined once on the page under `image_id`, with boxes in the frame of the stored file."""
    width, height = sample.width_px, sample.height_px
    stroke = max(width, height) / 130
    rects = "".join(_rect(box, labels, stroke) for box in boxes)
    counts = ", ".join(
        f"{sum(box.label == label for box in boxes)} {label}"
        for label in labels
        if any(box.label == label for box in boxes)
    )
    spoken = escape(f"{sample.file} with {whose}: {counts or 'no box'}")
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{spoken}">'
        f'<use href="#{image_id}"/>{rects}</svg>'
    )


def image_definition(sample: Sample, image_id: str) -> str:
    """The picture's pixels, in a place of the page that shows nothing itself."""
    return (
        f'<image id="{image_id}" width="{sample.width_px}" height="{sample.height_px}" '
        f'preserveAspectRatio="none" href="{sample.data_uri}"/>'
    )


def labels_legend(labels: Sequence[str]) -> str:
    """Colours and dashes of the labels."""
    items = []
    for index, label in enumerate(labels):
        stroke = f'stroke="{_colour(index)}" stroke-width="3" stroke-dasharray="{_dash(index)}"'
        line = f'<path d="M1 7h24" {stroke}/>'
        items.append(f'<li><svg viewBox="0 0 26 14" aria-hidden="true">{line}</svg>{escape(label)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _rect(box: SampleBox, labels: Sequence[str], stroke: float) -> str:
    index = labels.index(box.label) if box.label in labels else len(labels)
    dashes = " ".join(f"{float(part) * stroke / 2:.1f}" for part in _dash(index).split())
    frame = f'x="{box.left:g}" y="{box.top:g}" width="{box.width:g}" height="{box.height:g}" fill="none"'
    # The dark casing keeps a light line visible on a light picture.
    return (
        f'<rect {frame} stroke="#000000" stroke-opacity="0.5" stroke-width="{stroke * 1.8:.2f}"/>'
        f'<rect {frame} stroke="{_colour(index)}" stroke-width="{stroke:.2f}" stroke-dasharray="{dashes}"/>'
    )


def _colour(index: int) -> str:
    return LABEL_COLOURS[index % len(LABEL_COLOURS)]


def _dash(index: int) -> str:
    return LABEL_DASHES[index % len(LABEL_DASHES)]
