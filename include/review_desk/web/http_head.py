"""uvicorn's HTTP/1.1 protocol with a limit on the size of a request's head.

httptools buffers the request line and headers however long they are, so a single anonymous connection could
exhaust the memory.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024


class BoundedHead(HttpToolsProtocol):
    """Answers 400 once request line and headers pass 64 KiB, and closes the connection."""

    _reads_head = True
    _head_bytes = 0
    _ended = 0

    def data_received(self, data: bytes) -> None:
        """Read on; a chunk that ends a head or a request may hold much of a body and is not counted."""
        ended = self._ended
        super().data_received(data)
        if not self._reads_head or self._ended != ended:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request line and headers are larger than 64 KiB.")

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._reads_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request's head follows."""
        super().on_message_complete()
        self._reads_head = True
        self._ended += 1
