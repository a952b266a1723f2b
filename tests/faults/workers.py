"""The reviewer of the harness: answers what the Review Desk offers, over the calls that the portal makes."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.faults.algorithm import SIDE_PX

TEAM = "night-team"
WORKER = ("alice", "alice's long password")
LABELS = ("square", "bar")


class Reviewer:
    """One signed-in reviewer of the Desk at ``url``.

    :param truth_of: gives class id, left, top, width and height (px) of each box of an image by its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""

    def answer_all(self, truth_of: Any, spoiled: str = "") -> int:
        """Draw all boxes on whatever is on offer; return how many answers were given.

        An image whose address ends with ``spoiled`` is answered with a size that it does not have, which
        the night has to reject.
        """
        name, password = WORKER
        self._token = self._post("/worker/sessions", {"name": name, "password": password})["token"]
        answered = 0
        while task := self._post("/worker/tasks/next", {}):
            image = task["input"]["taskObject"]
            side = SIDE_PX + 1 if spoiled and image.endswith(spoiled) else SIDE_PX
            boxes = [
                {"label": LABELS[kind], "left": left, "top": top, "width": width, "height": height}
                for kind, left, top, width, height in truth_of(image)
            ]
            content = {
                "boundingBoxes": boxes,
                "inputImageProperties": {"width": side, "height": side},
            }
            body = {"answerContent": {"annotatedResult": content}}
            self._post(f"/worker/tasks/{task['task']}/answer", body)
            answered += 1
        return answered

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None
