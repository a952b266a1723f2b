"""``serve``: what SageMaker runs behind an endpoint and in a batch transform job.

``GET /ping`` answers 200 once the model is loaded; ``POST /invocations`` takes a JPEG or PNG file and answers
as the built-in algorithm does (SageMaker Developer Guide, "Object Detection Request and Response Formats").
"""

from __future__ import annotations

import signal
import sys

import uvicorn

from . import artifact
from .batching import DetectionQueue
from .contract import Layout, answer_form, bind_host, bind_port
from .errors import DetectorError
from .predictor import Predictor
from .service import ANSWER_FORMS, InvocationService

_SHUTDOWN_SECONDS = 1


def main() -> int:
    """Load the model, then answer requests until SIGTERM; return the exit code."""
    try:
        model = artifact.load(Layout.from_environment().model)
        host, port = bind_host(), bind_port()
        form = answer_form(ANSWER_FORMS)
    except DetectorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    predictor = Predictor(model)
    predictor.warm_up()
    with DetectionQueue(predictor) as detections:
        config = uvicorn.Config(
            InvocationService(detections, form),
            host=host,
            port=port,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        server = uvicorn.Server(config)
        # uvicorn re-raises the signal that stopped it when it is done: exit with 0.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.run()
    return 0 if server.started else 1
