"""A real server with a handful of handlers, and unmodified boto3 clients in front of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from include.aws_protocol import AwsApplication
from tests.aws_protocol.running import ACCESS_KEY_ID, ACCOUNT_ID, REGION, SECRET, Recorder, Server, handlers
from tests.support.lanes import starts


@pytest.fixture(scope="session")
@starts("server")
def _running() -> Iterator[Server]:
    recorder = Recorder()
    application = AwsApplication(
        handlers=handlers(recorder),
        credentials={ACCESS_KEY_ID: SECRET},
        region=REGION,
        account_id=ACCOUNT_ID,
        on_call=lambda call, status: recorder.statuses.append((call.operation, status)),
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", recorder)
        server.should_exit = True
        thread.join()


@pytest.fixture
def server(_running: Server) -> Server:
    _running.recorder.calls.clear()
    _running.recorder.statuses.clear()
    return _running
