"""Worker templates made of one form, and what is left of an answer to it."""

from __future__ import annotations

from typing import Any

SCRIPT = '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'


def form(content: str) -> str:
    return f"{SCRIPT}\n<crowd-form>{content}</crowd-form>"


def landed(flow: Any, loop: str) -> Any:
    """answerContent in output.json."""
    flow.ended(loop)
    [answer] = flow.output(loop)["humanAnswers"]
    return answer["answerContent"]
