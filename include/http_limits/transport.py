"""The transport of a connection whose client may still be sending when it is answered for the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class LingeringTransport:
    """A transport that waits for the client when it is closed in the middle of a request.

    Parameters
    ----------
    linger
        Called when it is to be closed: whether the client may still be sending, and is to be waited for.
    """

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], bool]) -> None:
        self._transport = transport
        self._linger = linger
        self._lingers = False

        # What every request uses, without a detour.
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def pause_reading(self) -> None:
        """Let the client wait; nothing if it is gone."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on; nothing if the client is gone."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether no further answer can be written."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Close once what was written is sent, and the client is done."""
        if self._transport.is_closing() or self._lingers:
            return
        self._lingers = self._linger()
        if self._lingers:
            self._transport.write_eof()
        else:
            self._transport.close()
