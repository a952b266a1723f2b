"""Structured logs: one JSON object a line, without names, tokens, inputs or answers."""

from __future__ import annotations

import json
import logging
import sys

from include.review_desk.clock import as_iso

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record and its ``extra`` members as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, object] = {
            "time": as_iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """Send all logs to standard error as JSON lines. Access logs stay off: their paths hold task keys."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # httpx would log the webhook's address, which may hold a secret.
    for quiet in ("uvicorn.access", "botocore", "boto3", "urllib3", "httpx", "httpcore"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
