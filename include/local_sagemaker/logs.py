"""The output of jobs and endpoints, served as CloudWatch Logs.

A stream is a file of lines ``<epoch milliseconds> TAB <text>``; tokens of GetLogEvents are positions in
that file.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote

from include.aws_protocol import ServiceError
from include.formats.paths import UnsafeNameError, inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.aws_protocol import Call
    from include.aws_protocol.application import Handler

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints"

_MAX_EVENTS = 10_000
_MAX_STREAMS = 50
_MAX_LINE_BYTES = 256 * 1024
_TOKEN = re.compile(r"([fb])/([0-9]{1,18})")


class LogStream:
    """An open stream; complete lines get the time at which they arrived."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._rest = b""

    def write(self, chunk: bytes) -> None:
        """Add output as it arrives; an incomplete line is held until it ends."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        stamp = str(int(time.time() * 1000)).encode()
        self._file.write(b"".join(stamp + b"\t" + line.rstrip(b"\r") + b"\n" for line in lines))

    def say(self, text: str) -> None:
        """Add a line of the server's own."""
        self.write(text.encode() + b"\n")

    def close(self) -> None:
        """Write an incomplete last line and close the file; closing twice is harmless."""
        if self._file.closed:
            return
        if self._rest:
            self.write(b"\n")
        self._file.close()


def events(path: Path, offset: int = 0) -> Iterator[tuple[int, int, str]]:
    """Yield (position after the line, epoch milliseconds, text) of each complete line from a position on."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            stamp, _, text = line.rstrip(b"\n").partition(b"\t")
            yield offset, int(stamp), text.decode("utf-8", "replace")


class Logs:
    """The folder of all streams, and the two operations that read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, group: str, stream: str) -> LogStream:
        """Open a stream for writing, at its end."""
        return LogStream(self.path(group, stream))

    def path(self, group: str, stream: str) -> Path:
        """Return the file of a stream.

        Raises
        ------
        UnsafeNameError
            The quoted name is too long for a file's name: nothing has ever been logged there.
        """
        return inside(self._group(group), quote(stream, safe="") + ".log")

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the operations of CloudWatch Logs that are served."""
        return {
            ("logs", "DescribeLogStreams"): self._describe_log_streams,
            ("logs", "GetLogEvents"): self._get_log_events,
        }

    def _group(self, group: str) -> Path:
        return inside(self._folder, "group" + quote(group, safe=""))

    def _group_with_streams(self, group: str) -> Path:
        try:
            folder = self._group(group)
        except UnsafeNameError:
            folder = None
        if folder is None or not folder.is_dir():
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        return folder

    def _stream(self, group: str, stream: str) -> Path:
        try:
            path = self.path(group, stream)
        except UnsafeNameError:
            path = None
        if path is None or not path.is_file():
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        return path

    def _describe_log_streams(self, call: Call) -> dict[str, Any]:
        group = call.params.get("logGroupName", "")
        folder = self._group_with_streams(group)
        prefix = call.params.get("logStreamNamePrefix", "")
        names = sorted(unquote(path.stem) for path in folder.glob("*.log"))
        names = [
            name for name in names if name.startswith(prefix) and name > call.params.get("nextToken", "")
        ]
        shown = names[: call.params.get("limit", _MAX_STREAMS)]
        arn = f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{group}:log-stream:"
        return {
            "logStreams": [{"arn": arn + name, **self._describe(group, name)} for name in shown],
            "nextToken": shown[-1] if len(shown) < len(names) else None,
        }

    def _describe(self, group: str, name: str) -> dict[str, Any]:
        stamps = [stamp for _, stamp, _ in events(self.path(group, name))]
        described: dict[str, Any] = {"logStreamName": name}
        if stamps:
            described |= {"firstEventTimestamp": stamps[0], "lastEventTimestamp": stamps[-1]}
        return described

    def _get_log_events(self, call: Call) -> dict[str, Any]:
        params = call.params
        path = self._stream(params.get("logGroupName", ""), params.get("logStreamName", ""))
        direction, start = _token(params.get("nextToken"), path)
        limit = params.get("limit", _MAX_EVENTS)
        low, high = params.get("startTime", 0), params.get("endTime", 1 << 62)
        if direction == "b":
            lines = [line for line in events(path) if line[0] <= start]
        else:
            lines = list(events(path, start))
        first_position = start if direction == "f" else 0
        lines = [line for line in lines if low <= line[1] < high]
        from_head = direction == "f" and (params.get("nextToken") or params.get("startFromHead"))
        shown = lines[:limit] if from_head else lines[-limit:]
        before = lines[: -len(shown)] if shown and not from_head else []
        return {
            "events": [
                {"timestamp": stamp, "message": text, "ingestionTime": stamp} for _, stamp, text in shown
            ],
            "nextForwardToken": f"f/{shown[-1][0] if shown else start}",
            "nextBackwardToken": f"b/{before[-1][0] if before else first_position}",
        }


def _token(token: str | None, path: Path) -> tuple[str, int]:
    """Return direction and position of a token, which must be one that this stream's file could have had."""
    if token is None:
        return "f", 0
    match = _TOKEN.fullmatch(token)
    if match is None or not _begins_a_line(path, int(match[2])):
        raise ServiceError("InvalidParameterException", f"The specified nextToken {token!r} is invalid.")
    return match[1], int(match[2])


def _begins_a_line(path: Path, position: int) -> bool:
    if position == 0:
        return True
    with path.open("rb") as file:
        if position > file.seek(0, os.SEEK_END):
            return False
        file.seek(position - 1)
        return file.read(1) == b"\n"
