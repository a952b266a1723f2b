"""A tiny algorithm under SageMaker's container contract, standard library only, steered by the test.

``train`` writes what it saw of its channels into ``model/seen.json``. Hyperparameters: ``exit_code``,
``failure`` (text of the failure file), ``print`` (lines, between ``|``), ``epochs`` (how often a pipe is
read), ``sleep_seconds``, ``wait_while`` (a file exists), ``ignore_sigterm``. ``serve`` answers with what it
was asked, as a detector that has found nothing, or as the body says, behind a JPEG's first bytes, in its
first comment, or bare: ``status <code> ``, ``rubbish ``, ``poison `` (it dies) or ``die``. A file ``answer``
in the model is the answer to everything, and a file ``status`` its status. Environment: ``STUB_NAME``,
``STUB_PING`` (status code), ``STUB_NOT_READY_WHILE`` (a file that
exists), ``STUB_EXIT`` (exit code at once), ``STUB_DELAY_SECONDS`` (per invocation).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])


def digest(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_pipes(channel: str, epochs: int) -> list[dict[str, object]]:
    seen = []
    for epoch in range(epochs):
        data = (BASE / f"input/data/{channel}_{epoch}").read_bytes()
        (BASE / f"model/{channel}_{epoch}").write_bytes(data)
        seen.append(digest(data))
    return seen


def read_files(channel: str) -> dict[str, object]:
    folder = BASE / "input/data" / channel
    return {
        str(path.relative_to(folder)): digest(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_text(name: str) -> str:
    path = BASE / "model" / name
    return path.read_text() if path.exists() else ""


def jpeg_size(body: bytes) -> dict[str, int]:
    """The size in a JPEG's frame header; that of nothing in particular if there is none."""
    place = 2
    while len(body) >= place + 9 and body[place] == 0xFF:
        if body[place + 1] in (0xC0, 0xC1, 0xC2):
            height, width, depth = struct.unpack(">HHB", body[place + 5 : place + 10])
            return {"width": width, "height": height, "depth": depth}
        place += 2 + int.from_bytes(body[place + 2 : place + 4], "big")
    return {"width": 64, "height": 64, "depth": 3}


def train() -> None:
    config = {
        name: json.loads((BASE / f"input/config/{name}.json").read_text())
        for name in ("hyperparameters", "inputdataconfig", "resourceconfig")
    }
    asked = config["hyperparameters"]
    if asked.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "print" in asked:
        print(asked["print"].replace("|", "\n"))
    print(f"training {os.environ['TRAINING_JOB_NAME']} as pid {os.getpid()}", flush=True)
    seen = {}
    for name, channel in config["inputdataconfig"].items():
        pipe = channel["TrainingInputMode"] == "Pipe"
        seen[name] = read_pipes(name, int(asked.get("epochs", "1"))) if pipe else read_files(name)
    (BASE / "model/seen.json").write_text(json.dumps({"config": config, "channels": seen}, sort_keys=True))
    time.sleep(float(asked.get("sleep_seconds", "0")))
    while os.path.exists(asked.get("wait_while", "")):
        time.sleep(0.05)
    if "failure" in asked:
        (BASE / "output/failure").write_text(asked["failure"])
    sys.exit(int(asked.get("exit_code", "0")))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        held = os.path.exists(os.environ.get("STUB_NOT_READY_WHILE", ""))
        self.answer(503 if held else int(os.environ.get("STUB_PING", "200")), b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(float(os.environ.get("STUB_DELAY_SECONDS", "0")))
        status = int(read_text("status") or 200)
        if status != 200 or read_text("answer"):
            self.answer(status, read_text("answer").encode())
            return
        asked = body.removeprefix(b"\xff\xd8\xff")
        if asked.startswith(b"\xfe"):  # a comment, with its length in two bytes
            asked = asked[3:]
        if asked.startswith(b"status "):
            self.answer(int(asked.split()[1]), b"as asked")
            return
        if asked.startswith(b"rubbish "):
            self.answer(200, b"<html>\r\n<h1>It works!</h1>")
            return
        if asked == b"die" or asked.startswith(b"poison "):
            os._exit(9)
        model = sorted(str(path.relative_to(BASE / "model")) for path in (BASE / "model").rglob("*"))
        document = {
            "name": os.environ.get("STUB_NAME", ""),
            "pid": os.getpid(),
            "content_type": self.headers.get("Content-Type"),
            "accept": self.headers.get("Accept"),
            "model": model,
            **digest(body),
            "image_size": [jpeg_size(body)],
            "annotations": [],
        }
        self.answer(200, json.dumps(document).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        attributes = self.headers.get("X-Amzn-SageMaker-Custom-Attributes")
        if attributes:
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        print(format % arguments, flush=True)


def serve() -> None:
    if "STUB_EXIT" in os.environ:
        sys.exit(int(os.environ["STUB_EXIT"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    {"train": train, "serve": serve}[sys.argv[1]]()
