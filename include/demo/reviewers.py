"""Simulated reviewers: clients of the Review Desk who know the truth and blur it as people do.

Each reviewer has a recall, a precision, a noise of box edges in pixels and a think time. Tasks are taken
strictly in turns, one at a time, oldest first. An answer depends on the seed, the image and whether it is the
first, second or third opinion on it, never on the clock or on who happened to get it, so the same seed gives
the same answers.

Run as a client of its own: `python -m include.demo.reviewers --desk URL --team FILE --truth FILE`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from include.demo.http_json import JsonClient
from include.demo.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IDLE_SECONDS = 0.25
# A false box is drawn over something that looks like an object: as large as a true one, anywhere.
TYPICAL_SIDE_SHARE = 0.15


class ReviewerError(Exception):
    """The Review Desk refused something a reviewer may do; the message names the request and the answer."""


@dataclass(frozen=True)
class Skill:
    """How well and how fast a person reviews.

    `recall` is the share of objects the person boxes, `precision` the share of the person's boxes that hold
    an object, `noise_px` the standard deviation of every box edge, `think_seconds` the time spent on one
    image.
    """

    recall: float
    precision: float
    noise_px: float
    think_seconds: float


# One paid crowd worker, measured against experts on 938 images by seven workers each (Branson, Van Horn and
# Perona, "Lean Crowdsourcing", CVPR 2017, data set of pedestrian boxes): precision .911, recall .826.
CROWD = Skill(recall=0.826, precision=0.911, noise_px=3.0, think_seconds=0.05)
# A trained reviewer who corrects pre-drawn boxes of three known classes. An assumption, not a measurement:
# the best quarter of the crowd above comes close to it.
TRAINED = Skill(recall=0.97, precision=0.985, noise_px=1.0, think_seconds=0.02)
SKILLS = {"crowd": CROWD, "trained": TRAINED}

Box = dict[str, Any]


def answer_boxes(
    truth: Sequence[Mapping[str, Any]],
    *,
    labels: Sequence[str],
    size_px: tuple[int, int],
    skill: Skill,
    key: tuple[object, ...],
) -> list[Box]:
    """The boxes that a person of this skill draws, `{"label", "left", "top", "width", "height"}`.

    Parameters
    ----------
    truth
        Boxes of the same form.
    size_px
        (width, height) of the image; no box leaves it.
    key
        What the answer depends on besides, for example seed, image and opinion.
    """
    digest = hashlib.sha256("\n".join(map(str, key)).encode()).digest()
    rng = np.random.default_rng(list(digest))
    drawn = []
    for box in truth:
        # Every box takes the same number of draws, so one box more or less leaves the others as they were.
        seen, noise = rng.random(), rng.normal(0.0, skill.noise_px, 4)
        if seen < skill.recall:
            drawn.append(_drawn_box(box["label"], _edges(box) + noise, size_px))
    for _ in range(int(rng.poisson(len(drawn) * (1 - skill.precision) / skill.precision))):
        side = TYPICAL_SIDE_SHARE * min(size_px) * rng.uniform(0.5, 1.5)
        left, top = rng.uniform(0, size_px[0] - side), rng.uniform(0, size_px[1] - side)
        label = labels[int(rng.integers(len(labels)))]
        drawn.append(_drawn_box(label, np.array([left, top, left + side, top + side]), size_px))
    return drawn


def _edges(box: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    left, top = float(box["left"]), float(box["top"])
    return np.array([left, top, left + box["width"], top + box["height"]])


def _drawn_box(label: str, edges: np.ndarray[Any, np.dtype[np.float64]], size_px: tuple[int, int]) -> Box:
    """Whole pixels inside the image, at least one pixel wide and high."""
    width_px, height_px = size_px
    left = int(np.clip(round(float(edges[0])), 0, width_px - 1))
    top = int(np.clip(round(float(edges[1])), 0, height_px - 1))
    right = int(np.clip(round(float(edges[2])), left + 1, width_px))
    bottom = int(np.clip(round(float(edges[3])), top + 1, height_px))
    return {"label": label, "left": left, "top": top, "width": right - left, "height": bottom - top}


@dataclass
class Reviewer:
    """One person, logged in at the Review Desk."""

    name: str
    password: str
    skill: Skill
    desk: JsonClient
    sessions: Sessions | None = None

    def log_in(self) -> None:
        """Open a session; also used again when the Desk forgot the last one."""
        self.desk.headers.pop("Authorization", None)
        status, session = self.desk.call(
            "POST", "/worker/sessions", {"name": self.name, "password": self.password}
        )
        if status != 200:
            raise ReviewerError(f"The Review Desk did not let {self.name} in: {status} {session}.")
        self.desk.headers["Authorization"] = f"Bearer {session['token']}"
        if self.sessions is not None:
            self.sessions.keep(self.name, session["token"])

    def next_task(self) -> dict[str, Any] | None:
        """The oldest open task for this person, or None when there is none."""
        status, task = self._post("/worker/tasks/next", {})
        if status == 204:
            return None
        if status != 200:
            raise ReviewerError(f"The Review Desk gave {self.name} no task: {status} {task}.")
        return dict(task)

    def answer(self, task: str, boxes: list[Box], size_px: tuple[int, int]) -> None:
        """Submit what the worker page's `crowd-bounding-box` element submits."""
        properties = {"height": size_px[1], "width": size_px[0]}
        content = {"annotatedResult": {"boundingBoxes": boxes, "inputImageProperties": properties}}
        self._must(f"/worker/tasks/{task}/answer", {"answerContent": content})

    def decline(self, task: str, reason: str) -> None:
        """Hand a task back."""
        self._must(f"/worker/tasks/{task}/decline", {"reason": reason})

    def _must(self, path: str, body: object) -> None:
        status, reply = self._post(path, body)
        if status >= 500:
            raise ReviewerError(f"The Review Desk failed at {path}: {status} {reply}.")
        if status >= 400:
            # The loop was stopped or expired under the person's hands: nothing to do but to go on.
            print(f"{self.name}: {path} was refused: {status} {reply}", flush=True)

    def _post(self, path: str, body: object) -> tuple[int, Any]:
        if "Authorization" not in self.desk.headers:
            self.log_in()
        status, reply = self.desk.call("POST", path, body)
        if status == 401:
            self.log_in()
            status, reply = self.desk.call("POST", path, body)
        return status, reply


@dataclass
class ReviewRoom:
    """Reviewers who take tasks in turns.

    `truth` maps an image's address to its boxes. `tally` counts answers per night, to show progress.
    """

    reviewers: Sequence[Reviewer]
    truth: Mapping[str, Sequence[Mapping[str, Any]]]
    seed: int
    tally: dict[str, int] = field(default_factory=dict)
    _turn: int = 0
    _opinions: dict[str, list[str]] = field(default_factory=dict)

    def work_once(self) -> bool:
        """Let the next reviewer who can take a task review it; False when no one can."""
        for offset in range(len(self.reviewers)):
            reviewer = self.reviewers[(self._turn + offset) % len(self.reviewers)]
            task = reviewer.next_task()
            if task is not None:
                self._turn = (self._turn + offset + 1) % len(self.reviewers)
                self._review(reviewer, task)
                return True
        return False

    def _review(self, reviewer: Reviewer, task: dict[str, Any]) -> None:
        shown = task["input"]
        image = str(shown["taskObject"])
        boxes = self.truth.get(image)
        if boxes is None:
            reviewer.decline(task["task"], "A simulated reviewer knows the images of the archive only.")
            return
        opinions = self._opinions.setdefault(image, [])
        if task["task"] not in opinions:
            opinions.append(task["task"])
        size_px = (int(shown["imageWidth"]), int(shown["imageHeight"]))
        key = (self.seed, image, opinions.index(task["task"]))
        drawn = answer_boxes(boxes, labels=shown["labels"], size_px=size_px, skill=reviewer.skill, key=key)
        time.sleep(reviewer.skill.think_seconds)
        reviewer.answer(task["task"], drawn, size_px)
        night = str(shown.get("night", ""))
        self.tally[night] = self.tally.get(night, 0) + 1


def read_truth(path: Path) -> dict[str, list[Box]]:
    """Read truth lines `{"image": s3 uri, "boxes": [...]}`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {entry["image"]: entry["boxes"] for entry in map(json.loads, lines)}


def work(
    room: ReviewRoom, tally: Path | None, idle_seconds: float = IDLE_SECONDS, stop: Event | None = None
) -> None:
    """Review until `stop` is set, the image in hand to its end; a Desk that is restarting is waited for."""
    stop = stop or Event()
    while not stop.is_set():
        try:
            busy = room.work_once()
        except OSError as error:
            print(f"The Review Desk does not answer ({error}); trying again.", flush=True)
            busy = False
        if busy and tally is not None:
            part = tally.with_suffix(".part")
            part.write_text(json.dumps(room.tally))
            os.replace(part, tally)
        if not busy:
            stop.wait(idle_seconds)


def _make_room(sessions: Sessions, desk: str, stop: Event) -> None:
    """Hand back what reviewers held who were killed."""
    while not stop.is_set():
        try:
            return sessions.give_back(desk)
        except OSError as error:
            print(f"The Review Desk does not answer ({error}); trying again.", flush=True)
            stop.wait(IDLE_SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the reviewers named in a team file until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m include.demo.reviewers", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--desk", required=True, help="the Review Desk's address, for example http://127.0.0.1:8080"
    )
    parser.add_argument("--team", required=True, type=Path, help='JSON object {"name": "password", ...}')
    parser.add_argument("--truth", required=True, type=Path, help="JSON Lines, one image and its boxes each")
    parser.add_argument("--tally", type=Path, help="JSON file to keep the number of answers per night in")
    parser.add_argument("--sessions", type=Path, help="file to keep the open sessions in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--skill", choices=sorted(SKILLS), default="trained", help="whose numbers to start from"
    )
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS, help="between two looks for work")
    parser.add_argument("--recall", type=float)
    parser.add_argument("--precision", type=float)
    parser.add_argument("--noise-px", type=float)
    parser.add_argument("--think-seconds", type=float)
    options = parser.parse_args(arguments)
    base = SKILLS[options.skill]
    given = {
        name: getattr(options, name)
        for name in base.__dataclass_fields__
        if getattr(options, name) is not None
    }
    skill = Skill(**{**base.__dict__, **given})
    team = json.loads(options.team.read_text(encoding="utf-8"))
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sessions = None if options.sessions is None else Sessions(options.sessions)
    if sessions is not None:
        _make_room(sessions, options.desk, stop)
    reviewers = [
        Reviewer(name, password, skill, JsonClient(options.desk), sessions)
        for name, password in sorted(team.items())
    ]
    room = ReviewRoom(reviewers, read_truth(options.truth), options.seed)
    work(room, options.tally, options.idle_seconds, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
