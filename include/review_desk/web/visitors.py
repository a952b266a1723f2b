"""Tells the audit trail which address a request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.review_desk.audit_trail.actors import act_as, visitor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Visitors:
    """An ASGI application around the desk: all of a request is the act of the visitor who sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Behind a known proxy ``client`` is the proxy's client."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        with act_as(visitor(client[0] if client else None)):
            await self._app(scope, receive, send)
