"""Limits for HTTP servers of this project: on connections, on heads and bodies, on time.

:mod:`connections` counts connections and chooses which to close, :mod:`protocol` puts that and the deadlines
under uvicorn, :mod:`requests` bounds the bodies of an ASGI application's requests, :mod:`bodies` reads one. A
client that passes a limit is told which one and what to do, and its connection is closed.

Nothing here knows the Review Desk or AWS.
"""
