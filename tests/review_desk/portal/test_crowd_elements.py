"""Each crowd element, used in a browser: what the worker enters is what lands in output.json."""

from __future__ import annotations

from typing import Any

SCRIPT = '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'


def form(content: str) -> str:
    return f"{SCRIPT}\n<crowd-form>{content}</crowd-form>"


def test_texts(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form(
            """<crowd-input name="tag1" label="First word" required></crowd-input>
               <crowd-input name="tag2" label="Second word"></crowd-input>
               <crowd-text-area name="essay" label="Essay" rows="3" value="Once"></crowd-text-area>"""
        )
    )
    loop = flow.start()
    task = open_frame(flow.reviewer())
    task.frame.get_by_label("First word").fill("blue")
    task.frame.get_by_label("Essay").fill("Two\nlines")
    task.submit()
    flow.ended(loop)
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == {"tag1": "blue", "essay": "Two\nlines"}
