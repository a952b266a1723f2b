"""People at the Review Desk's worker API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

PASSWORD = "a long password"
WIDTH_PX, HEIGHT_PX = 320, 240


class Reviewer:
    """A person at the worker API of the desk at ``url``, with one session: ``token``, or one that signing in
    gives."""

    def __init__(self, url: str, name: str, password: str = PASSWORD, *, token: str | None = None) -> None:
        self.url, self.name, self.token = url, name, token or ""
        if token is not None:
            return
        status, body = self.call("/worker/sessions", {"name": name, "password": password})
        assert status == 200, body
        self.token = body["token"]

    def call(
        self, path: str, body: Any = None, method: str = "POST", raw: bytes | None = None
    ) -> tuple[int, Any]:
        """One request with JSON; the answer's status and its JSON, None if it is empty."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = raw if raw is not None else json.dumps(body or {}).encode()
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return response.status, json.loads(text) if text else None

    def next(self) -> dict[str, Any] | None:
        """The next task on offer."""
        status, body = self.call("/worker/tasks/next")
        assert status in (200, 204), body
        task: dict[str, Any] | None = body
        return task

    def answer(
        self, task: dict[str, Any], boxes: Sequence[dict[str, Any]] = (), **size: int
    ) -> tuple[int, Any]:
        """Hand in boxes for a task, drawn on an image of ``width`` by ``height`` pixels."""
        return self.call(
            f"/worker/tasks/{task['task']}/answer", {"answerContent": boxes_answer(boxes, **size)}
        )

    def decline(self, task: dict[str, Any], reason: str = "too blurred") -> tuple[int, Any]:
        """Hand a task back."""
        return self.call(f"/worker/tasks/{task['task']}/decline", {"reason": reason})

    def answer_all(self, boxes_of: Callable[[dict[str, Any]], Sequence[dict[str, Any]]], **size: int) -> int:
        """Answer every task on offer; return how many there were."""
        answered = 0
        while task := self.next():
            status, body = self.answer(task, boxes_of(task), **size)
            assert status == 200, body
            answered += 1
        return answered


def boxes_answer(boxes: Sequence[dict[str, Any]], **size: int) -> dict[str, Any]:
    """An answer's content in the form that the crowd element sends."""
    properties = {"height": HEIGHT_PX, "width": WIDTH_PX, **size}
    return {"annotatedResult": {"boundingBoxes": list(boxes), "inputImageProperties": properties}}


def box(label: str = "RBC", **sides: Any) -> dict[str, Any]:
    return {"left": 10, "top": 20, "width": 30, "height": 40, "label": label} | sides


def predrawn(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer of a reviewer who finds the model's boxes right."""
    boxes: list[dict[str, Any]] = task["input"]["initialValue"]
    return boxes
