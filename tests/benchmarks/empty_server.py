"""The bare framework: Starlette on uvicorn as the Review Desk runs them, answering an empty request.

What it answers in a second is the ceiling for anything built on it on this machine.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def empty(request: Request) -> Response:
    """Read the request, do nothing."""
    await request.body()
    return Response(status_code=204)


def main() -> None:
    """Serve on the loopback port given as the only argument."""
    app = Starlette(routes=[Route("/empty", empty, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
