"""A process that renders worker templates for the desk, one at a time, until the desk closes its channel.

``python -m include.review_desk.worker_templates.process <descriptor of the channel> <seconds>``. It has none
of the desk's secrets: links to S3 are asked for through the channel. The kernel ends it when one template
takes more processor time than ``seconds``, whatever it is doing, and refuses it memory past a limit.

The desk sends ``{content, input}`` (``input`` is JSON text). The answer is ``{html}``, ``{failure: [code,
message]}``, or ``{fault}`` where this program is at fault. Before it, ``{link: [bucket, key]}`` may come,
which the desk answers by ``{url}``, or by ``{refused: true}``, after which the rendering ends.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from include.review_desk.errors import RenderFailure
from include.review_desk.worker_templates.channel import receive, send
from include.review_desk.worker_templates.engine import Crew, LiquidEngine

_MAX_MEMORY_BYTES = 1024**3


def main(descriptor: int, seconds: float) -> None:
    """Render until the channel is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where memory is short the kernel ends this process, not the desk.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Not Python's handler, which would wait for the end of whatever runs.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    channel = socket.socket(fileno=descriptor)
    engine = LiquidEngine()
    # The desk closes the channel when it ends, or is killed.
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            request = receive(channel)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            answer = _render(engine, channel, request)
            signal.setitimer(signal.ITIMER_PROF, 0)
            send(channel, answer)


def _render(engine: LiquidEngine, channel: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    def link(bucket: str, key: str) -> str:
        send(channel, {"link": [bucket, key]})
        answer = receive(channel)
        if "url" not in answer:
            raise RenderFailure("InvalidParameters", "The desk makes no such link.")
        return str(answer["url"])

    try:
        return {"html": engine.run(Crew.PAGES, request["content"], json.loads(request["input"]), link)}
    except RenderFailure as failure:
        return {"failure": [failure.code, failure.message]}
    except (RecursionError, MemoryError):
        return {"failure": ["TemplateLimitExceeded", "The input is too large to render the template with."]}
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        # Where, but not what: messages may quote the input.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return {"fault": f"{type(error).__name__} in {frame.filename}, line {frame.lineno}"}


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
