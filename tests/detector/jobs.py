"""A training job and a server as SageMaker would run them, in the detector's own environment."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from include.formats.detection_record import write_detection_records
from include.formats.recordio import frame

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
PYTHON = os.environ.get("SECONDLOOK_DETECTOR_PYTHON") or str(ROOT / "build/venv-detector/bin/python")
CLASSES = ("cell", "crystal")
PIPE_BYTES = 1 << 16


@dataclass(frozen=True)
class Scene:
    """A drawn image and its boxes as (class id, left, top, right, bottom) in pixels."""

    jpeg: bytes
    boxes: tuple[tuple[int, int, int, int, int], ...]
    width: int = 160
    height: int = 120

    def rows(self) -> list[list[float]]:
        return [
            [c, left / self.width, top / self.height, right / self.width, bottom / self.height]
            for c, left, top, right, bottom in self.boxes
        ]

    def label(self) -> bytes:
        annotations = [
            {"class_id": c, "left": left, "top": top, "width": right - left, "height": bottom - top}
            for c, left, top, right, bottom in self.boxes
        ]
        size = {"width": self.width, "height": self.height, "depth": 3}
        return json.dumps({"annotations": annotations, "image_size": [size]}).encode()


def draw_scene(seed: int, objects: int | None = None) -> Scene:
    """Round red cells and blue crystals on a pale ground."""
    chance = random.Random(seed)
    image = Image.new("RGB", (160, 120), (235, 228, chance.randint(215, 235)))
    pen = ImageDraw.Draw(image)
    boxes = []
    for _ in range(chance.randint(1, 3) if objects is None else objects):
        class_id, side = chance.randint(0, 1), chance.randint(28, 50)
        left, top = chance.randint(0, 160 - side), chance.randint(0, 120 - side)
        box = (left, top, left + side, top + side)
        if class_id == 0:
            pen.ellipse(box, fill=(200, 60, 70), outline=(150, 40, 50))
        else:
            pen.rectangle(box, fill=(60, 80, 190), outline=(30, 40, 120))
        boxes.append((class_id, *box))
    out = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(1)).save(out, "JPEG", quality=88)
    return Scene(out.getvalue(), tuple(boxes))


def record_stream(scenes: list[Scene]) -> bytes:
    """The scenes as a ``.rec`` file."""
    out = io.BytesIO()
    write_detection_records(((scene.rows(), scene.jpeg) for scene in scenes), out)
    return out.getvalue()


def manifest_stream(scenes: list[Scene]) -> bytes:
    """The scenes as SageMaker pipes an augmented manifest: image, label, image, label."""
    out = io.BytesIO()
    for scene in scenes:
        out.write(frame(scene.jpeg))
        out.write(frame(scene.label()))
    return out.getvalue()


HYPERPARAMETERS = {
    "base_network": "slim-ssd",
    "num_classes": "2",
    "image_shape": "96",
    "epochs": "4",
    "optimizer": "adam",
    "learning_rate": "0.003",
    "mini_batch_size": "8",
}


@dataclass
class Outcome:
    """How a training job ended."""

    exit_code: int
    output: str
    failure: str | None
    model: Path

    def metric(self, pattern: str) -> list[float]:
        """What SageMaker would read from the log with a metric definition."""
        return [float(value) for value in re.findall(pattern, self.output)]


@dataclass
class Job:
    """One training container's ``/opt/ml``."""

    base: Path
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    _pipes: dict[str, bytes | None] = field(default_factory=dict)

    def files(
        self, channel: str, files: dict[str, bytes], content_type: str = "application/x-recordio"
    ) -> Job:
        for name, content in files.items():
            path = self.base / "input/data" / channel / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.channels[channel] = {"TrainingInputMode": "File", "ContentType": content_type}
        return self

    def pipe(self, channel: str, stream: bytes | None) -> Job:
        """A named pipe that carries the stream; None: nobody ever writes."""
        self._pipes[channel] = stream
        self.channels[channel] = {
            "TrainingInputMode": "Pipe",
            "ContentType": "application/x-recordio",
            "RecordWrapperType": "RecordIO",
        }
        return self

    def start(self) -> subprocess.Popen[str]:
        config = self.base / "input/config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(self.hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1"}))
        for channel, stream in self._pipes.items():
            path = self.base / "input/data" / f"{channel}_0"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path)
            if stream is not None:
                threading.Thread(target=_feed, args=(path, stream), daemon=True).start()
        return subprocess.Popen(
            [PYTHON, "-m", "include.detector", "train"],
            cwd=ROOT,
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(self.base)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Outcome:
        output, _ = process.communicate(timeout=120)
        failure = self.base / "output/failure"
        reason = failure.read_text() if failure.exists() else None
        return Outcome(process.returncode, output, reason, self.base / "model")

    def run(self) -> Outcome:
        return self.finish(self.start())


def _feed(path: Path, stream: bytes) -> None:
    try:
        with path.open("wb", buffering=0) as pipe:
            for start in range(0, len(stream), PIPE_BYTES):
                pipe.write(stream[start : start + PIPE_BYTES])
    except BrokenPipeError:
        return


def model_archive(model: Path, inside: str = "") -> bytes:
    """The artifact as SageMaker stores it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path in sorted(model.iterdir()):
            tar.add(path, inside + path.name)
    return out.getvalue()


@dataclass
class Server:
    """A running ``serve``."""

    process: subprocess.Popen[str]
    port: int

    def request(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=names)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def invoke(self, body: bytes, content_type: str = "image/jpeg", **headers: str) -> tuple[int, dict]:
        status, answer = self.request("/invocations", body, content_type=content_type, **headers)
        return status, json.loads(answer)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


def serve(base: Path) -> Server:
    """Start a server over ``<base>/model`` and wait until it answers its ping."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [PYTHON, "-m", "include.detector", "serve"],
        cwd=ROOT,
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = Server(process, port)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.request("/ping")[0] == 200:
                return server
        except OSError:
            time.sleep(0.05)  # the interval of a poll, bounded by the deadline above
    process.kill()
    raise AssertionError(f"serve did not come up: {process.communicate()[1]}")
