"""From answers to training data: each ledger line ends in one manifest line or one rejection."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from secondlook.detection.box import Box
from secondlook.failures.exceptions import ReviewOutputError
from secondlook.review.consensus import Consensus, LabelledBox, consolidate, too_many_boxes
from secondlook.review.output import Answer, DrawnBox, ReviewOutput, parse_output
from secondlook.training.manifest import Annotation, ManifestLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondlook.review.ledger import LedgerLine
    from secondlook.review.outcomes import Outcome

# A label is whatever the browser sent; a rejection stays readable.
_QUOTED_LABELS = 3
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Rejection:
    """A review that gave no training line: a code to count, a sentence to read.

    ``nothing-to-label`` is no failure: people confirmed that the image shows no object.
    """

    image: str
    loop: str
    code: str
    reason: str

    def to_record(self) -> dict[str, Any]:
        """Return the line of ``rejected.jsonl``."""
        return asdict(self)


def convert_loop(
    line: LedgerLine,
    outcome: Outcome | None,
    body: bytes | None,
    labels: Sequence[str],
    night: str,
    *,
    counts: Counter[str] | None = None,
) -> ManifestLine | Rejection:
    """Turn the end of one loop into a manifest line or a rejection; never raises for what a loop contains.

    Parameters
    ----------
    line
        What was asked.
    outcome
        How the loop ended; None when that is not recorded.
    body
        The bytes of its output document; None when there is none.
    labels
        All labels, index = class id.
    night
        Night of the run, YYYY-MM-DD; becomes the line's creation date.
    counts
        Notes on single boxes are added here: ``box-clamped``, ``box-outside``, ``zero-area``,
        ``box-malformed``, ``minority-box``, ``answer-unreadable``.
    """
    if outcome is None:
        return _rejected(
            line, "no-answer", "The loop's end is not among the outcomes; wait for the reviews again."
        )
    # A stopped loop's task may still have been finished: that answer is paid for and counts.
    if outcome.outcome != "completed" and not (outcome.outcome == "stopped" and body is not None):
        return _rejected(line, outcome.outcome, _ending(outcome))
    if body is None:
        place = outcome.output or "at an address the service did not name"
        return _rejected(
            line, "missing-output", f"The loop completed, but its output {place} does not exist."
        )
    try:
        output = parse_output(body)
    except ReviewOutputError as error:
        return _rejected(line, "unreadable-output", str(error))
    return convert_answers(line, output, labels, night, counts=counts)


def convert_answers(
    line: LedgerLine,
    output: ReviewOutput,
    labels: Sequence[str],
    night: str,
    *,
    counts: Counter[str] | None = None,
) -> ManifestLine | Rejection:
    """Turn the answers of one loop into a manifest line or a rejection.

    Boxes are cut to the image (touching the border is fine); boxes without area, outside or without numbers
    are dropped and counted; an unknown label, another image, another image size or more boxes than a person
    draws (:func:`~secondlook.review.consensus.too_many_boxes`) reject the line. A label that differs from a
    known one only by spaces or its Unicode form is that one.
    """
    notes: Counter[str] = Counter({"answer-unreadable": len(output.faults)})
    result = _mismatch(line, output) or _labelled(line, output.answers, tuple(labels), night, notes)
    if counts is not None:
        counts.update(+notes)
    return result


def _mismatch(line: LedgerLine, output: ReviewOutput) -> Rejection | None:
    if output.image is not None and output.image != line.image:
        return _rejected(line, "wrong-image", f"The output is about {output.image}, not about {line.image}.")
    if not output.answers:
        if output.faults:
            return _rejected(line, "unreadable-output", " ".join(output.faults))
        return _rejected(line, "no-answer", "The loop ended without an answer.")
    for answer in output.answers:
        shown = (answer.image_width, answer.image_height)
        if shown != (line.width, line.height):
            return _rejected(line, "image-size-mismatch", _size_sentence(line, shown))
    excess = too_many_boxes([answer.boxes for answer in output.answers])
    return None if excess is None else _rejected(line, "too-many-boxes", excess)


def _size_sentence(line: LedgerLine, shown: tuple[int, int]) -> str:
    sentence = (
        f"The reviewer saw {shown[0]} x {shown[1]} pixels, but the file has {line.width} x {line.height},"
        " so the boxes do not fit"
    )
    if shown == (line.height, line.width):
        return f"{sentence}: the browser turned the image by its EXIF orientation; set CORS on the bucket."
    return f"{sentence}: the image changed between scoring and review, or the template scales it."


def _labelled(
    line: LedgerLine, answers: Sequence[Answer], labels: tuple[str, ...], night: str, notes: Counter[str]
) -> ManifestLine | Rejection:
    spelled = {text: _as_listed(text, labels) for answer in answers for text in _texts(answer)}
    unknown = sorted(repr(text) for text, label in spelled.items() if label is None)
    if unknown:
        quoted = ", ".join(label[:_QUOTED_CHARACTERS] for label in unknown[:_QUOTED_LABELS])
        sentence = f"The label {quoted} is not among {', '.join(labels)}; correct the worker template."
        return _rejected(line, "unknown-label", sentence)
    cleaned = [_clean(answer, line, spelled, notes) for answer in answers]
    consensus = consolidate(cleaned)
    notes["minority-box"] += consensus.minority
    annotations = [
        Annotation(*place, class_id=labels.index(box.label), confidence=round(box.support, 4))
        for box in consensus.boxes
        if (place := box.box.to_pixels(line.width, line.height)) is not None
    ]
    if not annotations:
        return _nothing_left(line, answers, consensus, notes)
    return ManifestLine(
        image=line.image,
        width=line.width,
        height=line.height,
        depth=line.depth,
        annotations=tuple(annotations),
        labels=labels,
        night=night,
        job_name=f"a2i/{line.loop}",
        etag=line.etag,
        sha256=line.sha256,
    )


def _texts(answer: Answer) -> set[str | None]:
    return {box.label for box in answer.boxes}


def _as_listed(text: str | None, labels: tuple[str, ...]) -> str | None:
    """Return the label as the settings spell it; spaces and the Unicode form do not count. None: no label."""
    if text is None or text in labels:
        return text
    from include.formats.text import normal

    return next((label for label in labels if normal(label) == normal(text)), None)


def _clean(
    answer: Answer, line: LedgerLine, spelled: dict[str | None, str | None], notes: Counter[str]
) -> list[LabelledBox]:
    """Return the usable boxes of one answer, cut to the image, labels as the settings spell them."""
    notes["box-malformed"] += answer.bad_boxes
    usable = []
    for drawn in answer.boxes:
        box, note = _usable_box(drawn, line)
        if note is not None:
            notes[note] += 1
        label = spelled[drawn.label]
        if box is not None and label is not None:
            usable.append(LabelledBox(box, label))
    return usable


def _usable_box(drawn: DrawnBox, line: LedgerLine) -> tuple[Box | None, str | None]:
    if drawn.width <= 0 or drawn.height <= 0:
        return None, "zero-area"
    right, bottom = drawn.left + drawn.width, drawn.top + drawn.height
    xmin, ymin = max(drawn.left, 0.0), max(drawn.top, 0.0)
    xmax, ymax = min(right, float(line.width)), min(bottom, float(line.height))
    if xmin >= xmax or ymin >= ymax:
        return None, "box-outside"
    box = Box(xmin, ymin, xmax, ymax).rounded()
    if box is None:
        return None, "zero-area"
    cut = (xmin, ymin, xmax, ymax) != (drawn.left, drawn.top, right, bottom)
    return box, "box-clamped" if cut else None


def _nothing_left(
    line: LedgerLine, answers: Sequence[Answer], consensus: Consensus, notes: Counter[str]
) -> Rejection:
    drawn = sum(len(answer.boxes) + answer.bad_boxes for answer in answers)
    said_nothing = sum(not answer.boxes and not answer.bad_boxes for answer in answers)
    if 2 * said_nothing > len(answers):
        return _rejected(line, "nothing-to-label", "The reviewers found no object in the image.")
    faults = {code: notes[code] for code in ("zero-area", "box-outside", "box-malformed") if notes[code]}
    if consensus.minority == 0 and faults:
        code = max(faults, key=lambda name: (faults[name], name))
        return _rejected(line, code, f"None of the {drawn} boxes is usable: {_listed(faults)}; ask again.")
    return _rejected(
        line,
        "no-agreement",
        f"{len(answers)} reviewers drew {drawn} boxes and no majority agrees on one;"
        " ask again with more reviewers.",
    )


def _listed(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(faults.items()))


def _ending(outcome: Outcome) -> str:
    if outcome.outcome == "expired":
        return "No reviewer answered before the task's lifetime ended; ask again in a new round."
    if outcome.outcome == "stopped":
        return f"The loop was {outcome.status.lower()} before a reviewer answered."
    detail = ": ".join(part for part in (outcome.failure_code, outcome.failure_reason) if part)
    return f"The loop failed: {detail}." if detail else "The loop failed; the service gave no reason."


def _rejected(line: LedgerLine, code: str, reason: str) -> Rejection:
    return Rejection(line.image, line.loop, code, reason)
